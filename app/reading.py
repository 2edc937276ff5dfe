"""How a reading request uses the rows that earlier ones have left (cache.py)."""

from sqlobject.dbconnection import Iteration

from app.connections import Verdict

UNREAD = object()


class KeptRowsReader:
    """A mixin for request_transaction.py.

    Where rows that are kept are all that a request reads, no transaction is begun: the token is
    *peeked* at, and while it is that of the rows they are what one instant of this request shows.
    The first query after that begins the transaction, whose token must still be the same.
    """

    _rows = UNREAD
    # The raw connection and token whose rows were used before the transaction began.
    _peeked = None

    def kept_rows(self):
        """The rows that earlier reading requests have left and that are fresh in this one, or
        None: a writing request must read for itself, or its engine could not see conflicts."""
        if self._rows is UNREAD:
            self._rows = None if self.writing else self._opened_rows()
        return self._rows

    def _opened_rows(self):
        raw = self._connection
        if raw.rows is None:
            return None
        try:
            self._dbConnection.open_rows(raw)
        except Exception as error:
            self._judge(error)
            raise
        return None if raw.rows.token is None else raw.rows

    def kept_instance(self, id, cls):
        """A new instance of `cls` made from the kept row `id`, or None where it must be read."""
        rows = self._rows
        if rows is UNREAD:
            rows = self._rows_to_get(id, cls)
        return None if rows is None else rows.get(id, cls, self)

    def _rows_to_get(self, id, cls):
        if self._raw is not None or self.writing or self.ended_by:
            return self.kept_rows()
        raw = self._dbConnection.reading()
        if raw is None or not raw.rows.has(id, cls):
            # The query that reads the row is the first: it has nothing to wait for.
            return None
        if not raw.rows.steady:
            return None if self._dbConnection.TOKEN_COMES_ALONG else self.kept_rows()
        if not self._dbConnection.peek(raw):
            return None
        self._peeked = raw, raw.rows.token
        self._rows = raw.rows
        return raw.rows

    def _check_peeked(self):
        """Make sure that the transaction, which has just begun, sees what the request has seen.

        Raises TryEnded where somebody has committed since rows were used without beginning it.
        """
        peeked, self._peeked = self._peeked, None
        self._rows = UNREAD
        self.kept_rows()
        if peeked != (self._raw, self._raw.rows.token):
            self.end_try(Verdict.OVERTAKEN)

    def iterSelect(self, select):
        # To the end at once: the handler may use the connection while it goes through the rows.
        own_way = select.IterationClass is Iteration and not select.ops.get("lazyColumns")
        if own_way and not self.writing and self._connection.rows is not None:
            return iter(self._select_kept(select))
        return iter(list(select.IterationClass(self, self._connection, select, True)))

    def _select_kept(self, select):
        """The instances of a select; rows that are kept are not decoded again."""
        cls = select.sourceClass
        to_id = cls.sqlmeta.idType
        held = self.cache.held(cls)
        found = self.queryAll(self.queryForSelect(select))
        rows = self.kept_rows()
        kept = None if rows is None else rows.of(cls)
        known = kept.rows if kept else {}
        instances = []
        for row in found:
            id = row[0] if row[0] is None else to_id(row[0])
            instance = held.get(id)
            if instance is None and id is not None:
                values = known.get(id)
                if values is None:
                    instance = cls.get(id, connection=self, selectResults=row[1:])
                else:
                    instance = held[id] = kept.instance(id, values, self)
                    rows.hits += 1
            instances.append(instance)
        return instances
