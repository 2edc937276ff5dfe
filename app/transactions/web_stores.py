"""The stores of web.py's sessions: which kind each is, and which of its work can wait."""

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from threading import Lock, get_ident

from web.session import DBStore, DiskStore, MemoryStore, ShelfStore

from .current import connection_set_to

# web.py's stores that pickle what they are given.
PICKLING = (DiskStore, DBStore, ShelfStore)
# web.py's stores that return values fresh from a pickle, so that nobody else has them.
UNSHARED = (DiskStore, DBStore)
_OF_WEBPY = (*PICKLING, MemoryStore)
_NOBODY = "0" * 40
_MOST_REMEMBERED = 10_000
_TOUCHES = 10
# Each is for the web sessions whose ids share a hash.
_LOCKS = tuple(Lock() for _ in range(64))

# Whether a store is of models, by its id(). The store is held, so that no other gets its id.
_known: dict = {}
# When this process has last saved a web session, by its id (time.monotonic()).
_saved: dict = {}


def of_models(store):
    """Whether `store` uses SQLObject classes on the thread's connection."""
    if type(store) in _OF_WEBPY:
        return False
    known = _known.get(id(store))
    if known is None:
        probe = _Probe()
        try:
            with connection_set_to(probe):
                _ = _NOBODY in store
        except Exception:
            if not probe.used:
                # Its failure tells nothing.
                return False
        known = _known[id(store)] = (store, probe.used)
    return known[1]


class _Probe:
    """A connection that notes whether anybody uses it."""

    used = False

    def __getattr__(self, name):
        self.used = True
        raise LookupError("no connection is here: it is only asked whether one is used")


class WithStore:
    """A web session as its own methods see it, with another store."""

    def __init__(self, session, store):
        vars(self).update(_session=session, store=store)

    def __getattr__(self, name):
        return getattr(self._session, name)

    def __setattr__(self, name, value):
        setattr(self._session, name, value)


class QuietStore:
    """A store of models in a reading request, which leaves out the UPDATEs of its `__getitem__`.

    With them the store notes the time of each access. They would make each reading request a
    writing one. `touch` has them sent.
    """

    def __init__(self, store, transaction):
        self._store = store
        self._transaction = transaction

    def __contains__(self, key):
        return key in self._store

    def __getitem__(self, key):
        stock = self._transaction._executeRetry

        def execute(conn, cursor, query):
            return None if query.startswith("UPDATE") else stock(conn, cursor, query)

        self._transaction._executeRetry = execute
        try:
            return self._store[key]
        finally:
            del self._transaction._executeRetry


def note_saved(id):
    """Note that this process saves the web session `id` now."""
    if len(_saved) >= _MOST_REMEMBERED:
        _saved.clear()
    _saved[id] = time.monotonic()


def is_due(id, timeout):
    """Whether this process has not saved the web session `id` for a tenth of `timeout`."""
    last = _saved.get(id)
    return last is None or time.monotonic() - last >= timeout / _TOUCHES


def touch(store, id):
    """Save what is in the store once more: it may be newer than what the request has seen."""
    if id in store:
        store[id] = store[id]


def touch_elsewhere(store, id):
    """As `touch`, in a store that is not of models."""
    with alone(store, id):
        if id in store:
            write(store, id, store[id])


@contextmanager
def alone(store, id):
    """Have no other request save the web session `id` in `store` during the block.

    That is no request of this process; with a DiskStore on a local file system, none of this
    machine.
    """
    with _LOCKS[hash(id) % len(_LOCKS)]:
        if not isinstance(store, DiskStore):
            yield
            return
        folder = os.open(store.root, os.O_RDONLY)
        try:
            # Network file systems have no such lock.
            with suppress(OSError):
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def write(store, id, values):
    """Save a web session; raises what the store raises, and OSError where DiskStore is silent.

    DiskStore also lets two processes write to one file, and a full disk leave a part of one.
    """
    if type(store) is not DiskStore:
        store[id] = values
        return
    path = store._get_path(id)
    unfinished = f"{path}.{os.getpid()}.{get_ident()}"
    encoded = store.encode(values)
    try:
        with open(unfinished, "wb") as file:
            file.write(encoded)
        os.replace(unfinished, path)
    except OSError:
        with suppress(OSError):
            os.remove(unfinished)
        raise


def remove(store, id):
    """Remove what is in the store, if it is there."""
    if id in store:
        del store[id]
