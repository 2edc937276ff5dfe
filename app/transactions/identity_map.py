"""The instances of one transaction: one for each row, with SQLObject's interface of a cache."""

import weakref

from sqlobject.main import instanceName

# With more instances than this, those that nobody holds may go, as in SQLObject's own cache.
HELD = 10_000


class IdentityMap:
    """The instances of one transaction, with the interface of SQLObject's CacheSet.

    It binds each instance to the transaction, so that a leaked one cannot be used in another. One
    thread uses it, so it takes no locks.
    """

    def __init__(self, transaction):
        self._transaction = transaction
        self._held = {}
        # A WeakValueDictionary from the first one on: most requests need none.
        self._others = {}
        # Weak references to those that a handler has expired or destroyed, and may still use.
        self._dropped = []
        # Weak references to those of inserted rows, in the order of insertion.
        self._created = []

    def held(self, cls):
        """Return the instances of `cls` by id, with those of another class of the same name."""
        try:
            return self._held[cls.__name__]
        except KeyError:
            return self._held.setdefault(cls.__name__, {})

    def all_held(self, cls):
        """As `held`, with those that the map let go and that somebody still holds."""
        held = self.held(cls)
        if self._others:
            for (name, id), instance in list(self._others.items()):
                if name == cls.__name__:
                    held.setdefault(id, instance)
        return held

    def get(self, id, cls):
        """Return this request's instance of the row, a new one from a kept row, or None."""
        instance = self.tryGetByName(id, cls.__name__)
        if instance is None:
            rows = self._transaction.snapshot.rows_with(id, cls)
            instance = None if rows is None else rows.get(id, cls, self._transaction)
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
        self._take(id, cls, obj)
        rows = self._transaction.snapshot.kept_rows()
        if rows is not None:
            rows.put(id, cls, obj)

    def created(self, id, cls, obj):
        """Take the instance of a row that has just been inserted."""
        self._take(id, cls, obj)
        self._created.append(weakref.ref(obj))

    def _take(self, id, cls, obj):
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
        held = self.held(cls).pop(id, None)
        for instance in (held, self._others.pop((cls.__name__, id), None)):
            if instance is not None:
                self._dropped.append(weakref.ref(instance))

    def changed(self, other, names):
        """Have the instance of a row read anew the columns `names`, changed by `other`."""
        instance = self.tryGet(other.id, type(other))
        if instance is None or instance is other:
            return
        for column in instance.sqlmeta.columnList:
            if column.dbName in names:
                vars(instance).pop(instanceName(column.name), None)

    def before_savepoint(self):
        """Return the state to which `roll_back` returns: how many rows were inserted, which
        instances are destroyed, and the values that are not sent yet (lazyUpdate).
        """
        dropped = _used(self._dropped)
        destroyed = [one for one in dropped if one.sqlmeta._obsolete]
        unsent = [(one, _state(one)) for one in [*self.getAll(), *dropped] if _is_dirty(one)]
        return len(self._created), destroyed, unsent

    def roll_back(self, before):
        """Have the instances read their rows anew; what is not sent yet is as it was `before`."""
        count, destroyed, unsent = before
        gone = [*destroyed, *_used(self._created[count:])]
        del self._created[count:]
        stay_gone = {id(one) for one in gone}
        stay_destroyed = {id(one) for one in destroyed}
        for instance in gone:
            self.expire(instance.id, type(instance))
        for instance in [*self.getAll(), *_used(self._dropped)]:
            if instance.sqlmeta._obsolete and id(instance) not in stay_gone:
                self._hold(instance.id, type(instance), instance)
            # A reading request has changed no row.
            changed = self._transaction.writing or _is_dirty(instance)
            if changed and id(instance) not in stay_destroyed:
                _forget_values(instance)
        for instance, state in unsent:
            vars(instance).update(state)
            instance.sqlmeta.expired, instance.sqlmeta.dirty = False, True

    def has_unsent(self):
        """Whether an instance has changes that are not sent yet (lazyUpdate)."""
        return any(map(_is_dirty, [*self.getAll(), *_used(self._dropped)]))

    def forget_values(self):
        """Have all instances read their rows anew."""
        for instance in [*self.getAll(), *_used(self._dropped)]:
            _forget_values(instance)

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

    def ids_by_class(self):
        """Return pairs of a class's name and the ids of its instances, as SQLObject's signals."""
        by_class = {}
        for name, id in self._keys(None):
            by_class.setdefault(name, []).append(id)
        return list(by_class.items())

    def allIDs(self, cls):
        return [id for _, id in self._keys(cls)]

    def getAll(self, cls=None):
        found = [self.tryGetByName(id, name) for name, id in self._keys(cls)]
        return [instance for instance in found if instance is not None]

    def _keys(self, cls):
        names = [cls.__name__] if cls else list(self._held)
        held = [(name, id) for name in names for id in self._held.get(name, {})]
        return held + [key for key in self._others if not cls or key[0] == cls.__name__]


def _used(references):
    return [one for one in (reference() for reference in references) if one is not None]


def _is_dirty(instance):
    # Its `sqlmeta` is created when it is first used (row_cache.py).
    return getattr(vars(instance).get("sqlmeta"), "dirty", False)


def _state(instance):
    return {**vars(instance), "_SO_createValues": dict(instance._SO_createValues)}


def _forget_values(instance):
    """As SQLObject's `expire`, also for one expired and then changed; the map still holds it."""
    for column in instance.sqlmeta.columnList:
        vars(instance).pop(instanceName(column.name), None)
    instance._SO_createValues = {}
    instance.sqlmeta.expired, instance.sqlmeta.dirty = True, False
    instance.sqlmeta._obsolete = False
