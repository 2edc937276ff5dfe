"""Saves a web session that another request has changed since it was loaded.

That happens where one transaction loads it and another one saves it: before the pause of a handler
marked `@no_transaction`, before the rollback of a doomed one, outside of the processor, or in a
store that is not of models.

- What the request has not changed stays as it is stored.
- What it alone has changed, by name, is saved.
- Where both have changed the same name, or one has removed the session, nobody can say what is
  right. Of two that count from 5 to 6 one may have to count to 7; of two that take the same token
  one must fail.
"""

import logging
import pickle
from typing import NamedTuple

from .web_stores import alone, write

log = logging.getLogger(__name__)

# What web.py itself puts into a web session, anew in each request.
_OF_WEBPY = frozenset({"session_id", "ip", "send_cookie"})
_MISSING = object()


class Change(NamedTuple):
    """The pickles of a web session's values: those that were loaded, and those to save."""

    base: bytes
    mine: bytes


def save_in_transaction(store, id, change):
    """Save a Change in `store`, which is of models, in the thread's transaction.

    Raises RuntimeError, before anything is saved, where nobody can say what is right.
    """
    values, told = _merged(store, id, change)
    if told:
        raise RuntimeError(
            f"{told}; this one has no transaction around it that would have noticed in time. "
            "Leave such a change to a handler without @no_transaction, or keep the value in a "
            "table and change it in in_transaction(function); add Session after load_sqlo"
        )
    store[id] = values


def save_elsewhere(store, id, change):
    """Save a Change in `store`, which is not of models, while no other request does.

    Where nobody can say what is right the last change counts, but a web session that was removed
    stays so; the log tells.
    """
    with alone(store, id):
        values, told = _merged(store, id, change)
        if told:
            log.warning(
                "%s, and one of the two changes is lost: store in models what must not be lost",
                told,
            )
        if values is not None:
            write(store, id, values)


def _merged(store, id, change):
    """Return the values to save, None for nothing, and what nobody can decide, or ""."""
    if id not in store:
        return None, "another request has removed the web session that this one has changed"
    stored = pickle.loads(pickle.dumps(dict(store[id])))
    base, mine = pickle.loads(change.base), pickle.loads(change.mine)
    both = []
    for name in {**base, **mine}:
        value, before = mine.get(name, _MISSING), base.get(name, _MISSING)
        if name not in _OF_WEBPY:
            if _same(value, before):
                continue
            if not _same(stored.get(name, _MISSING), before):
                both.append(name)
        if value is _MISSING:
            stored.pop(name, None)
        else:
            stored[name] = value
    if not both:
        return stored, ""
    return stored, f"another request has changed {both} of the same web session meanwhile"


def _same(one, other):
    if one is _MISSING or other is _MISSING:
        return one is other
    if type(one) is type(other) and isinstance(one, (set, frozenset)):
        # Their pickles differ by the order in which the elements were added.
        return one == other
    return _settled(one) == _settled(other)


def _settled(value):
    """Return the pickle of a value that was pickled and read back before: only that is stable."""
    return pickle.dumps(pickle.loads(pickle.dumps(value)))
