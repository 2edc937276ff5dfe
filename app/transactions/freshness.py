"""SQLObject's instances outside of transactions, which show what is committed now."""

import threading

from sqlobject.cache import CacheSet


class FreshCache(CacheSet):
    """The cache of an engine's instances outside of transactions.

    One row has one instance for as long as somebody holds it. A row that is gone has none. The
    values of an instance are read anew at each use (patches.py).
    """

    def __init__(self, connection):
        super().__init__()
        self._connection = connection
        self.selecting = threading.local()

    def get(self, id, cls):
        instance = super().get(id, cls)
        if instance is None or hasattr(self.selecting, "row") or self._is_there(instance):
            return instance
        self.expire(id, cls)
        return super().get(id, cls)

    def _is_there(self, instance):
        # An instance with changes that are not sent yet (lazyUpdate) belongs to who changed it.
        return instance.sqlmeta.dirty or self._connection._SO_selectOne(
            instance, [instance.sqlmeta.idName]
        )


class FreshIteration:
    """The instances of a select, whose rows have just been read: nobody looks for them again."""

    def __init__(self, cache, iteration):
        self._selecting = cache.selecting
        self._iteration = iteration

    def __iter__(self):
        return self

    def __next__(self):
        self._selecting.row = True
        try:
            return next(self._iteration)
        finally:
            del self._selecting.row
