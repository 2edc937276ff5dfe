"""The instances of one transaction: SQLObject's cache of a connection, for one request."""

import weakref

# Beyond this many the instances that nobody holds may go, as with SQLObject's own cache.
HELD = 10_000


class InstanceCache:
    """The instances of one transaction, with the interface of SQLObject's CacheSet.

    It binds each instance to the transaction, so that a leaked one cannot be used in another. One
    thread uses it, so it takes no locks.
    """

    def __init__(self, transaction):
        self._transaction = transaction
        self._held = {}
        # A WeakValueDictionary once there are any: most requests would make it for nothing.
        self._others = {}

    def held(self, cls):
        """The instances of `cls` by id; those of another class of its name with them."""
        try:
            return self._held[cls.__name__]
        except KeyError:
            return self._held.setdefault(cls.__name__, {})

    def get(self, id, cls):
        """The instance of the row, of this request or made from a row that is kept, or None."""
        instance = self.tryGet(id, cls)
        if instance is None:
            instance = self._transaction.kept_instance(id, cls)
            if instance is not None:
                self._hold(id, cls, instance)
        return instance

    def tryGet(self, id, cls):
        return self.tryGetByName(id, cls.__name__)

    def tryGetByName(self, id, clsname):
        instance = self._held[clsname].get(id) if clsname in self._held else None
        if instance is None and self._others:
            instance = self._others.get((clsname, id))
        return instance

    def put(self, id, cls, obj):
        """Take an instance that has just been read."""
        self.created(id, cls, obj)
        rows = self._transaction.kept_rows()
        if rows is not None:
            rows.put(id, cls, obj)

    def created(self, id, cls, obj):
        obj._connection = self._transaction
        obj.sqlmeta._perConnection = True
        self._hold(id, cls, obj)

    def _hold(self, id, cls, instance):
        held = self.held(cls)
        if len(held) >= HELD:
            self.weakrefAll(cls)
        held[id] = instance

    def finishPut(self, cls):
        """Nothing to release: `get` takes no lock."""

    def expire(self, id, cls):
        self.held(cls).pop(id, None)
        self._others.pop((cls.__name__, id), None)

    def clear(self, cls=None):
        for name, id in self._keys(cls):
            self._held.get(name, {}).pop(id, None)
            self._others.pop((name, id), None)

    def weakrefAll(self, cls=None):
        # Instances that somebody holds must stay the only ones of their rows.
        if not self._others:
            self._others = weakref.WeakValueDictionary()
        for name in [cls.__name__] if cls else list(self._held):
            held = self._held.get(name, {})
            self._others.update(((name, id), instance) for id, instance in held.items())
            held.clear()

    def allIDs(self, cls):
        return [id for _, id in self._keys(cls)]

    def getAll(self, cls=None):
        found = [self.tryGetByName(id, name) for name, id in self._keys(cls)]
        return [instance for instance in found if instance is not None]

    def _keys(self, cls):
        names = [cls.__name__] if cls else list(self._held)
        held = [(name, id) for name in names for id in self._held.get(name, {})]
        return held + [key for key in self._others if not cls or key[0] == cls.__name__]
