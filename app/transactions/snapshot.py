"""How a reading request uses the rows that earlier ones have left (cache.py)."""

import json
import re

from sqlobject.dbconnection import Iteration

from .engines.threads import Verdict
from .row_cache import has_stock_get

UNREAD = object()
# What may end a query, or hide what comes after it: SQLite takes a comment without an end.
_ALONE = re.compile(r";|/\*")


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

    def settle_peeked(self):
        """Begin the transaction where rows were used without: nothing after it is OVERTAKEN."""
        if self._peeked is not None:
            if self._raw is None:
                self._begin()
            self._check_peeked()

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
        stock = select.IterationClass is Iteration and has_stock_get(select.sourceClass)
        if stock and not self.writing and not select.ops.get("lazyColumns"):
            return iter(self._select_kept(select))
        return iter(list(select.IterationClass(self, self._connection, select, True)))

    def _select_kept(self, select):
        """The instances of a select; rows that are kept are not decoded again.

        While all are kept, the engine answers with one row that has their ids.
        """
        cls = select.sourceClass
        held = self.cache.all_held(cls)
        query = self.queryForSelect(select)
        ids = self._ids_where_all_are_kept(cls, query)
        instances = None if ids is None else self._kept_instances(cls, json.loads(ids), held)
        return self._decoded(cls, self.queryAll(query), held) if instances is None else instances

    def _ids_where_all_are_kept(self, cls, query):
        """The ids that `query` finds, as JSON; None where it is to be sent as it is.

        Where that needs no transaction, none is begun, as for kept_instance.
        """
        begun = self._raw is not None
        if begun:
            self.kept_rows()
        raw = self._dbConnection.reading()
        kept = None if raw is None else raw.rows.of(cls)
        if kept is None or not kept.whole or self.ended_by or _ALONE.search(query):
            return None
        columns = self._dbConnection.LIST_OF_ALL
        if begun:
            return self.queryOne(_ids_of(query, cls, columns))[0]
        columns = f"{self._dbConnection.TOKEN_EXPRESSION}, {columns}"
        ids = self._dbConnection.peek_ids(raw, _ids_of(query, cls, columns))
        if ids is not None:
            self._peeked = raw, raw.rows.token
            self._rows = raw.rows
        return ids

    def _kept_instances(self, cls, ids, held):
        """The instances of `ids`, None where a row of them is neither kept nor in `held`."""
        rows = self.kept_rows()
        kept = None if rows is None else rows.of(cls)
        if kept is None:
            return None
        instances = kept.instances(ids, held, self)
        if instances is None:
            kept.whole = False
        else:
            rows.hits += len(instances)
        return instances

    def _decoded(self, cls, found, held):
        """The instances of the rows that a query has found, decoded where they are not kept."""
        to_id = cls.sqlmeta.idType
        rows = self.kept_rows()
        kept = None if rows is None else rows.of(cls)
        known = kept.rows if kept else {}
        whole = to_id is int and bool(found)
        instances = []
        for row in found:
            id = row[0] if row[0] is None else to_id(row[0])
            instance = held.get(id)
            if instance is None and id is not None:
                values = known.get(id)
                if values is None:
                    whole = False
                    instance = cls.get(id, connection=self, selectResults=row[1:])
                else:
                    instance = held[id] = kept.instance(values, self)
                    rows.hits += 1
            instances.append(instance)
        if kept:
            kept.whole = whole
        return instances


def _ids_of(query, cls, columns):
    """The query for `columns` with the ids that `query` finds, in its order, as one list.

    All columns are counted so that the engine goes through the rows as it does for `query`: an
    index that has the ids alone may be in another order.
    """
    names = [f"c{number}" for number in range(len(cls.sqlmeta.columnList))]
    counts = "".join(f", count({name})" for name in names)
    return (
        f"WITH webpy_found({', '.join(['id', *names])}) AS (\n{query}\n) "
        f"SELECT {columns}{counts} FROM webpy_found"
    )
