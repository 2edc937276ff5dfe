"""How a request reads a list: kept rows are not decoded again, or not even sent."""

import json
import re

from sqlobject import SQLObject
from sqlobject.dbconnection import Iteration

from .row_cache import has_stock_get

# What may end a query, or hide what comes after it: SQLite takes a comment without an end.
_ALONE = re.compile(r";|/\*")
# A call, or what stands for one: a function may see a commit made while the query runs, or the
# time, which stands still within a transaction. PostgreSQL reads the time in a text as well.
_KEYWORDS = (
    "ALL|AND|ANY|AS|BETWEEN|BY|DISTINCT|ESCAPE|EXISTS|FROM|HAVING|ILIKE|IN|JOIN|LIKE|LIMIT|NOT"
    "|OFFSET|ON|OR|SELECT|SOME|USING|VALUES|WHERE"
)
_CALL = re.compile(
    rf"(?<![\w$])(?!(?:{_KEYWORDS})\b)[a-z_][\w$]*\s*\(|\"\s*\(|\b(?:current_|localtime)"
    r"|'[^']*\b(?:now|today|tomorrow|yesterday)\b",
    re.IGNORECASE,
)


def instances(transaction, select):
    """Return the instances of `select`, a SelectResults, in `transaction`."""
    cls = select.sourceClass
    stock = select.IterationClass is Iteration and isinstance(cls, type)
    plain = stock and issubclass(cls, SQLObject) and has_stock_get(cls)
    if transaction.writing or not plain or select.ops.get("lazyColumns"):
        return _read(select.IterationClass(transaction, transaction._connection, select, True))
    held = transaction.cache.all_held(cls)
    query = transaction.queryForSelect(select)
    ids = _ids_where_all_are_kept(transaction, cls, query)
    found = None if ids is None else _kept(transaction, cls, json.loads(ids), held)
    return (
        _decoded(transaction, cls, transaction.queryAll(query), held) if found is None else found
    )


def _read(iteration):
    """Return what SQLObject's own iteration yields.

    It is closed here. If it failed at a row and somebody held the error, it would pin its
    snapshot.
    """
    try:
        return list(iteration)
    finally:
        iteration._cleanup()


def _ids_where_all_are_kept(transaction, cls, query):
    """Return the ids that `query` finds, as JSON; None where `query` itself must be sent.

    While all rows are kept, the engine answers with one row that has their ids. Where that needs
    no transaction, none is begun.
    """
    snapshot = transaction.snapshot
    begun = transaction.has_begun()
    if begun:
        snapshot.kept_rows()
    session = transaction.session_with_rows()
    kept = None if session is None else session.rows.of(cls)
    if kept is None or not kept.whole or transaction.ended_by or _ALONE.search(query):
        return None
    if begun:
        if snapshot.rows is None:
            return None
        return transaction.queryOne(_ids_of(query, cls, transaction.LIST_OF_ALL))[0]
    if transaction.TOKEN_COMES_ALONG and _CALL.search(query):
        # Outside of a transaction a function would have another snapshot and another time.
        return None
    columns = f"{transaction.TOKEN_EXPRESSION}, {transaction.LIST_OF_ALL}"
    return snapshot.peek_at_ids(session, _ids_of(query, cls, columns))


def _kept(transaction, cls, ids, held):
    """Return the instances of `ids`; None where a row is neither kept nor in `held`."""
    rows = transaction.snapshot.kept_rows()
    kept = None if rows is None else rows.of(cls)
    if kept is None:
        return None
    found = kept.instances(ids, held, transaction)
    if found is None:
        kept.whole = False
    else:
        rows.hits += len(found)
    return found


def _decoded(transaction, cls, found, held):
    """The instances of the rows that a query has found, decoded where they are not kept."""
    to_id = cls.sqlmeta.idType
    rows = transaction.snapshot.kept_rows()
    kept = None if rows is None else rows.of(cls)
    known = kept.rows if kept else {}
    whole = to_id is int and bool(found)
    made = []
    for row in found:
        id = row[0] if row[0] is None else to_id(row[0])
        values = known.get(id)
        if values is None and id is not None:
            # A row that is not kept may have been changed in place: SQLObject refreshes it.
            whole = False
            instance = cls.get(id, connection=transaction, selectResults=row[1:])
        elif id is None:
            instance = None
        else:
            instance = held.get(id)
            if instance is None:
                instance = held[id] = kept.instance(values, transaction)
                rows.hits += 1
        made.append(instance)
    if kept:
        kept.whole = whole
    return made


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
