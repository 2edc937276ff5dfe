"""The coherent cache: rows kept between reading requests while they are provably fresh.

A reading request's transaction has a *snapshot token*. While it equals the one under which a raw
connection's rows were kept, each is what a SELECT would return now; when it differs, all are
dropped. A request that needs no query looks at the token without a transaction (snapshot.py).
Tokens of two connections are never compared, so the rows belong to one raw connection, hence to
one thread.

The values of a row are kept, never an instance. Every request gets its own instances, so no later
request sees what a handler does to one. Rows are kept only of classes that load themselves in
SQLObject's own way, and only with values that cannot be changed in place.

A token tells of commits. It proves nothing about what may change without one: a view that calls a
volatile function, a foreign table, rows that a policy shows by a setting which a function changes.
Give a class on these `cacheValues = False` in its sqlmeta; then its rows are not kept.
"""

import datetime
import decimal
import uuid
import weakref
from collections import deque
from dataclasses import dataclass

from sqlobject import SQLObject

IMMUTABLE = (
    type(None), bool, int, float, str, bytes, decimal.Decimal, uuid.UUID,
    datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip

# Where others commit more often than a thread reads, keeping rows and asking for the token saves
# nothing: after how many losses in a row it pauses, and for how many requests.
MOST_LOSSES = 4
LONGEST_PAUSE = 16

_all: "weakref.WeakSet[RowCache]" = weakref.WeakSet()
# A token that no transaction has.
_NEVER = object()


@dataclass
class Statistics:
    """What the caches of this process have done since its start."""

    hits: int = 0
    misses: int = 0
    drops: int = 0
    size: int = 0


def statistics() -> Statistics:
    """Return the Statistics over all threads that are alive; size is the rows kept now."""
    total = Statistics()
    for rows in list(_all):
        total.hits += rows.hits
        total.misses += rows.misses
        total.drops += rows.drops
        total.size += len(rows)
    return total


class RowCache:
    """The rows that one raw connection has read under one snapshot token."""

    def __init__(self, limit):
        """`limit`: how many rows are kept at most; the oldest go first."""
        self._limit = limit
        # None while nothing may be kept.
        self.token = None
        # Whether the rows were still fresh at the last look at the token. Mostly they are at the
        # next, too.
        self.steady = False
        self._losses = self._pause = 0
        self._classes = {}
        self._order = deque()
        self.hits = self.misses = self.drops = 0
        _all.add(self)

    def __len__(self):
        return len(self._order)

    def open(self, token):
        """Begin a request whose transaction has `token`, dropping the rows of any other."""
        self.steady = token == self.token
        if self.steady:
            self._losses = 0
            return
        outdated = self.token is not None
        self.clear()
        self._losses += outdated
        if outdated and self._losses >= MOST_LOSSES:
            self._pause = min(2**self._losses, LONGEST_PAUSE)
        else:
            self.token = token

    def pausing(self):
        """Whether the request that begins does without kept rows, and so without a token."""
        if not self._pause:
            return False
        self._pause -= 1
        self.clear()
        return True

    def clear(self):
        """Drop every row, and keep none until the next request."""
        self.token = None
        self._classes.clear()
        if self._order:
            self.drops += 1
            self._order.clear()

    def outdate(self):
        """Have the next request drop every row."""
        if self.token is not None:
            self.token = _NEVER

    def of(self, cls):
        """The KeptRows of `cls`, or None if its rows must not be kept."""
        kept = self._classes.get(cls)
        if kept is None or not kept.fits():
            kept = self._classes[cls] = KeptRows(cls)
        return kept if kept.plain else None

    def has(self, id, cls):
        """Whether a row is kept, fresh or not."""
        kept = self._classes.get(cls)
        return kept is not None and id in kept.rows

    def get(self, id, cls, connection):
        """Return a new instance of `cls` for the row `id`, bound to `connection`, or None."""
        kept = self._classes.get(cls)
        if kept is None or not kept.fits():
            kept = self.of(cls)
        values = kept and kept.rows.get(id)
        if values is None:
            return None
        self.hits += 1
        return kept.instance(values, connection)

    def put(self, id, cls, instance):
        """Keep the values of `instance`, which has just been read and not been changed."""
        self.misses += 1
        kept = self.of(cls)
        values = kept and kept.values(id, instance)
        if values is None or id in kept.rows or self.token is None:
            return
        if len(self._order) >= self._limit:
            oldest, oldest_id = self._order.popleft()
            oldest.rows.pop(oldest_id, None)
        kept.rows[id] = values
        self._order.append((kept, id))


class KeptRows:
    """The rows kept of one class, whose table and columns were as they are here."""

    def __init__(self, cls):
        self.rows = {}
        # Whether the last select of the class found all of its rows here.
        self.whole = False
        self._cls = cls
        self._table = cls.sqlmeta.table
        self._columns = list(cls.sqlmeta.columnList)
        self._names = [f"_SO_val_{column.name}" for column in self._columns]
        # Whether the class loads in SQLObject's own way. Another way may do more.
        self.plain = (
            cls.sqlmeta.cacheValues
            and has_stock_get(cls)
            and all(
                getattr(cls, name) is getattr(SQLObject, name)
                for name in ("__new__", "__init__", "_init", "_SO_selectInit")
            )
        )
        if self.plain and not isinstance(vars(cls).get("sqlmeta"), _MetaOnUse):
            cls.sqlmeta = _MetaOnUse(cls.sqlmeta)

    def fits(self):
        """Whether the class still has the same table and columns: both can be changed."""
        meta = self._cls.sqlmeta
        return self._columns == meta.columnList and self._table == meta.table

    def values(self, id, instance):
        """The values of an instance that has been read, None where they must not be kept."""
        state = instance.__dict__
        try:
            values = {name: state[name] for name in self._names}
        except KeyError:
            return None
        if not all(map(_immutable, values.values())):
            return None
        values["id"] = id
        return values

    def instance(self, values, connection):
        """Return an instance as SQLObject.get and _init do, without query and decoding."""
        instance = self._cls.__new__(self._cls)
        state = instance.__dict__ = values.copy()
        state["_connection"] = connection
        return instance

    def instances(self, ids, held, connection):
        """The instances of `ids` that `held` has by id; new ones of the other rows are put there.

        None where a row is neither held nor kept.
        """
        instances = []
        for id in ids:
            instance = held.get(id)
            if instance is None:
                values = self.rows.get(id)
                if values is None:
                    return None
                instance = held[id] = self.instance(values, connection)
            instances.append(instance)
        return instances


class _MetaOnUse:
    """The `sqlmeta` of a class. An instance from here gets its own when that is first used."""

    def __init__(self, meta):
        self._meta = meta

    def __get__(self, instance, owner):
        if instance is None:
            return self._meta
        meta = instance.__dict__["sqlmeta"] = self._meta(instance)
        meta._perConnection = True
        return meta


def has_stock_get(cls):
    """Whether the class gets its instances as SQLObject does; its own `get` may do more."""
    return getattr(cls.get, "__func__", None) is SQLObject.get.__func__


def _immutable(value):
    # A subclass may give its values attributes, which a handler could change.
    return type(value) in IMMUTABLE or (
        isinstance(value, IMMUTABLE) and not hasattr(value, "__dict__")
    )
