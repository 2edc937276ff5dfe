"""Records reads through SQLObject, to repeat them and to compare their results."""

import inspect
from contextlib import contextmanager
from functools import partial

from sqlobject import SQLObject
from sqlobject.sresults import SelectResults


class Reads:
    """The classes that a test sets up, and its reads as functions that repeat them."""

    def __init__(self):
        self.classes = []
        self._made = None
        self._wrap(SelectResults, "lazyIter", _listed)
        self._wrap(SelectResults, "accumulate", _accumulated)
        self._wrap(SQLObject, "get", _got)
        self._wrap(SQLObject, "_SO_fetchAlternateID", _fetched)

    def _wrap(self, owner, name, read_again):
        stock = inspect.getattr_static(owner, name)
        function = getattr(stock, "__func__", stock)

        def method(*arguments, **named):
            if self._made is not None:
                key, again = read_again(*arguments, **named)
                self._made[key] = again
            return function(*arguments, **named)

        setattr(owner, name, classmethod(method) if function is not stock else method)

    @contextmanager
    def recorded(self):
        """Yield a dict that gets the reads of the block, each once; its values are functions."""
        self._made = made = {}
        try:
            yield made
        finally:
            self._made = None


def _listed(select):
    return object(), lambda: list(select.clone(connection=None))


def _accumulated(select, *expressions):
    return object(), lambda: select.clone(connection=None).accumulate(*expressions)


def _got(cls, id, *more, **named):
    return (cls, id), lambda: cls.get(id)


def _fetched(cls, name, db_name, value, connection=None, idxName=None):
    again = partial(cls._SO_fetchAlternateID, name, db_name, value, idxName=idxName)
    return (cls, str(name), str(value)), again


def result_of(read):
    """Return what `read` returns, in a form that is comparable between connections."""
    try:
        return _comparable(read())
    except Exception as error:
        return "raised", type(error).__name__


def failed(result):
    """Whether `result`, of result_of, is an error."""
    return isinstance(result, tuple) and result[:1] == ("raised",)


def _comparable(value):
    if isinstance(value, SQLObject):
        columns = [column.name for column in value.sqlmeta.columnList]
        joins = [join.joinMethodName for join in value.sqlmeta.joins]
        return (
            type(value).__name__,
            value.id,
            {name: _comparable(getattr(value, name)) for name in columns},
            {name: _ids(getattr(value, name)) for name in joins},
        )
    if isinstance(value, (list, tuple)):
        return [_comparable(one) for one in value]
    return (type(value).__name__, vars(value)) if hasattr(value, "__dict__") else value


def _ids(joined):
    """The ids of what a join returns: instances, one, or None."""
    if joined is None or isinstance(joined, SQLObject):
        return joined and joined.id
    return [one.id for one in joined]
