"""The kept rows broken: what a request reads is stale, or of several instants."""

from scripts.lib.coherency.mutants.mutant import mutant

OF_KEPT_ROWS = (
    mutant(
        "the look at the token always says yes",
        "snapshot.py",
        "fresh = self._usable and token is not None and rows.token == token",
        "fresh = self._usable and token is not None",
        "register",
    ),
    mutant(
        "kept rows are used without a look at the token",
        "snapshot.py",
        "return self.rows if token is not None and self.arrive(session, token, False) else None",
        "return session.rows",
        "register",
    ),
    mutant(
        "rows outlive the token under which they were kept",
        "row_cache.py",
        "        self.clear()\n        self._losses += outdated",
        "        self._losses += outdated",
        "register",
    ),
    mutant(
        "a list of kept rows does not compare its token",
        "snapshot.py",
        "return ids if token is not None and self.arrive(session, token, False) else None",
        "self.rows, self.state = session.rows, PEEKED; return ids",
        "list-freshness",
        seconds=20,
    ),
    mutant(
        "a list comes from rows that no token proves",
        "lists.py",
        "    rows = transaction.snapshot.kept_rows()\n    kept = None if rows is None else "
        "rows.of(cls)\n    known",
        "    rows = transaction.session_with_rows().rows\n    kept = rows.of(cls)\n    known",
        "list-freshness",
    ),
    mutant(
        "the token without its session: the threads of a process share their kept rows",
        "engines/sqlite/__init__.py",
        "session.rows = RowCache(self._cache_rows)",
        'session.rows = self.__dict__.setdefault("shared", RowCache(self._cache_rows))',
        "register",
        seconds=12,
    ),
    mutant(
        "an overtaken request is not run again",
        "snapshot.py",
        "if seen is not None and seen != (session, token):",
        "if seen is not None and seen[0] is not session:",
        "snapshot",
        seconds=12,
    ),
    mutant(
        "the token is read before the transaction's BEGIN",
        "engines/sqlite/session.py",
        "self.snapshot.arrive(self, self._token() if self._is_alone() else None)",
        'self.snapshot.arrive(self, self._token()); self.execute("COMMIT"); self.execute("BEGIN")',
        "snapshot",
        seconds=12,
    ),
    mutant(
        "a list leaves out the rows that are not kept",
        "row_cache.py",
        "                if values is None:\n                    return None\n"
        "                instance = held[id]",
        "                if values is None:\n                    continue\n"
        "                instance = held[id]",
        "phantom",
    ),
    mutant(
        "a list of kept rows is in another order",
        "row_cache.py",
        "        return instances\n",
        "        return instances[::-1]\n",
        "snapshot",
        seconds=12,
    ),
    mutant(
        "a list has what another list of the same token has found",
        "lists.py",
        "    return snapshot.peek_at_ids(session, _ids_of(query, cls, columns))",
        "    found = snapshot.peek_at_ids(session, _ids_of(query, cls, columns))\n"
        '    return found and kept.__dict__.setdefault("ids", found)',
        "snapshot",
        seconds=12,
    ),
    mutant(
        "no token is asked for where a transaction begins after kept rows",
        "snapshot.py",
        "            session.ask_token()\n\n    def missed",
        "            pass\n\n    def missed",
        "snapshot",
        seconds=20,
    ),
)
