"""The bundle broken on purpose, one line at a time, and the workload that must notice."""

from dataclasses import dataclass

TRANSACTIONS = "app/transactions/"
SQLITE, POSTGRES, MARIADB = "sqlite", "postgres", "mariadb"


@dataclass(frozen=True)
class Mutant:
    """A fault: `broken` replaces the only line `line` in `file`.

    name: what is wrong then. workload: the one that must find it on `database` within `seconds` of
    load. faults: those during the load, without which it changes no answer.
    """

    name: str
    file: str
    line: str
    broken: str
    workload: str
    database: str = SQLITE
    seconds: int = 6
    faults: tuple = ()


def _mutant(name, file, line, broken, workload, database=SQLITE, seconds=6, faults=()):
    return Mutant(name, TRANSACTIONS + file, line, broken, workload, database, seconds, faults)


MUTANTS = (
    _mutant(
        "the look at the token always says yes",
        "snapshot.py",
        "fresh = self._usable and token is not None and rows.token == token",
        "fresh = self._usable and token is not None",
        "register",
    ),
    _mutant(
        "kept rows are used without a look at the token",
        "snapshot.py",
        "return self.rows if token is not None and self.arrive(session, token, False) else None",
        "return session.rows",
        "register",
    ),
    _mutant(
        "rows outlive the token under which they were kept",
        "row_cache.py",
        "        self.clear()\n        self._losses += outdated",
        "        self._losses += outdated",
        "register",
    ),
    _mutant(
        "a list of kept rows does not compare its token",
        "snapshot.py",
        "return ids if token is not None and self.arrive(session, token, False) else None",
        "self.rows, self.state = session.rows, PEEKED; return ids",
        "list-freshness",
        seconds=12,
    ),
    _mutant(
        "a list comes from rows that no token proves",
        "lists.py",
        "    rows = transaction.snapshot.kept_rows()\n    kept = None if rows is None else "
        "rows.of(cls)\n    known",
        "    rows = transaction.session_with_rows().rows\n    kept = rows.of(cls)\n    known",
        "list-freshness",
    ),
    _mutant(
        "the token without its session: the threads of a process share their kept rows",
        "engines/sqlite/__init__.py",
        "session.rows = RowCache(self._cache_rows)",
        'session.rows = self.__dict__.setdefault("shared", RowCache(self._cache_rows))',
        "register",
        seconds=12,
    ),
    _mutant(
        "an overtaken request is not run again",
        "snapshot.py",
        "if seen is not None and seen != (session, token):",
        "if seen is not None and seen[0] is not session:",
        "snapshot",
        seconds=12,
    ),
    _mutant(
        "the token is read before the transaction's BEGIN",
        "engines/sqlite/session.py",
        "self.snapshot.arrive(self, self._token() if self._is_alone() else None)",
        'self.snapshot.arrive(self, self._token()); self.execute("COMMIT"); self.execute("BEGIN")',
        "snapshot",
        seconds=12,
    ),
    _mutant(
        "a writing request uses kept rows",
        "snapshot.py",
        "self._usable = not transaction.writing",
        "self._usable = True",
        "write-skew",
        POSTGRES,
        seconds=20,
    ),
    _mutant(
        "a request's body is not put back",
        "replay.py",
        "self._body.rewind()",
        "pass",
        "upload",
    ),
    _mutant(
        "a run keeps the headers of the one before",
        "replay.py",
        'context["headers"] = list(self._headers)',
        "pass",
        "upload",
    ),
    _mutant(
        "a handler that crashes is committed",
        "processor.py",
        "if not (usual or succeeded(error)):",
        "if False:",
        "crash",
    ),
    _mutant(
        "a transaction is committed that must be rolled back",
        "request.py",
        "session.roll_back_transaction()",
        "session.commit_transaction()",
        "crash",
    ),
    _mutant(
        "a doomed transaction is committed",
        "after.py",
        "if not transaction.ended_by and not transaction.doomed:",
        "if not transaction.ended_by:",
        "errors",
    ),
    _mutant(
        "a savepoint undoes nothing",
        "savepoints.py",
        'self.query(f"ROLLBACK TO SAVEPOINT {name}")',
        'self.query(f"RELEASE SAVEPOINT {name}")',
        "errors",
    ),
    _mutant(
        "instances keep what a savepoint has undone",
        "savepoints.py",
        "self.cache.roll_back(instances)",
        "pass",
        "errors",
    ),
    _mutant(
        "what must follow the commit comes before it",
        "after.py",
        "transaction.finish(commit)",
        'call(transaction, transaction.after_commit, "on_commit"); transaction.finish(commit)',
        "on-commit",
        seconds=15,
    ),
    _mutant(
        "what must follow the commit follows a rollback, too",
        "after.py",
        "waiting = transaction.after_commit if commit else transaction.after_rollback",
        "waiting = transaction.after_commit",
        "on-commit",
    ),
    _mutant(
        "what an undone savepoint wanted after the commit is done",
        "savepoints.py",
        "self.failure, self.after_commit, waiting, self.at_end = before",
        "self.failure, _, waiting, self.at_end = before",
        "on-commit",
    ),
    _mutant(
        "a web session is not saved",
        "web_sessions.py",
        "(do if transaction.paused else as_it_is)()",
        "pass",
        "web-session",
    ),
    _mutant(
        "now and then a writing request is acknowledged without its COMMIT",
        "engines/sqlite/session.py",
        'self.cursor_of_ours.execute("COMMIT")',
        'self.cursor_of_ours.execute("COMMIT" if self.total_changes % 97 else "ROLLBACK")',
        "set",
    ),
    _mutant(
        "writers have REPEATABLE READ: write skew",
        "engines/postgres/__init__.py",
        'True: f"BEGIN ISOLATION LEVEL {self.writing_level.upper()};",',
        'True: "BEGIN ISOLATION LEVEL REPEATABLE READ;",',
        "write-skew",
        POSTGRES,
    ),
    _mutant(
        "writers have REPEATABLE READ: phantoms",
        "engines/postgres/__init__.py",
        'True: f"BEGIN ISOLATION LEVEL {self.writing_level.upper()};",',
        'True: "BEGIN ISOLATION LEVEL REPEATABLE READ;",',
        "phantom",
        POSTGRES,
    ),
    _mutant(
        "readers have READ COMMITTED",
        "engines/postgres/__init__.py",
        'False: f"BEGIN ISOLATION LEVEL {self.reading_level.upper()} READ ONLY;",',
        'False: "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;",',
        "snapshot",
        POSTGRES,
    ),
    _mutant(
        "a conflict at COMMIT is acknowledged",
        "request.py",
        "            session.commit_transaction()\n        except Exception as error:\n"
        "            self.judge(error)\n",
        "            session.commit_transaction()\n        except Exception as error:\n"
        "            return self._roll_back(session)\n",
        "write-skew",
        POSTGRES,
    ),
    _mutant(
        "a writing request does not wait for its COMMIT",
        "engines/postgres/session.py",
        "elif self.writing or not self.SEVERAL_ANSWERS:",
        "elif not self.SEVERAL_ANSWERS:",
        "list-append",
        POSTGRES,
    ),
    _mutant(
        "a COMMIT that was not answered is reported as rolled back",
        "engines/postgres/outcome.py",
        "outcome = _outcome(session)",
        'outcome = "aborted"',
        "counter",
        POSTGRES,
        faults=("COMMIT unanswered",),
    ),
    _mutant(
        "a COMMIT that was not answered is acknowledged",
        "engines/postgres/outcome.py",
        "outcome = _outcome(session)",
        'outcome = "committed"',
        "set",
        POSTGRES,
        seconds=12,
        faults=("COMMIT cut off",),
    ),
    _mutant(
        "writers have REPEATABLE READ on MariaDB",
        "engines/mariadb/__init__.py",
        'True: f"ISOLATION LEVEL {self.writing_level.upper()}, READ WRITE",',
        'True: "ISOLATION LEVEL REPEATABLE READ, READ WRITE",',
        "counter",
        MARIADB,
    ),
    _mutant(
        "readers have READ COMMITTED on MariaDB",
        "engines/mariadb/__init__.py",
        'False: f"ISOLATION LEVEL {self.reading_level.upper()}, READ ONLY",',
        'False: "ISOLATION LEVEL READ COMMITTED, READ ONLY",',
        "snapshot",
        MARIADB,
    ),
    _mutant(
        "a COMMIT that was not answered is run again on MariaDB",
        "engines/mariadb/__init__.py",
        "return Verdict.UNKNOWN",
        "return Verdict.CONFLICT",
        "counter",
        MARIADB,
        faults=("COMMIT unanswered",),
    ),
)
