"""web.py's sessions of visitors, saved once: by the run that counts, as its transaction ends.

A *web session* is a `web.session.Session`; its store is *of models* where it stores the data in
SQLObject classes. Session may be added to the application before the processor or after it.

- Each run begins with the web session that the request has found, even if an earlier run has
  changed it.
- In a store of models, what changes while the transaction is open is a part of it. Any other
  store is written once the transaction has ended.
- Where one transaction loads it and another one saves it, only what the request has changed in it
  is saved (session_merge.py).
- It is saved where the answer's status is below 500, however the transaction has ended. Where not,
  it stays as it was; a new one is saved as it began, because its cookie is sent.
- An unchanged one of models is not saved, because that would make every GET a writing request. It
  is touched after the answer, once in a tenth of its timeout, so that it does not expire.
- Inside of `in_transaction` or an `on_commit` function, the web session of a request is saved if
  that transaction commits.
"""

import logging
import pickle
import time
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import NamedTuple

import web
from web.session import Session

from . import patches
from .current import NoTransaction, connection_set_to, current
from .in_transaction import in_transaction
from .session_merge import Change, save_elsewhere, save_in_transaction
from .web_stores import (
    PICKLING,
    UNSHARED,
    QuietStore,
    WithStore,
    is_due,
    note_saved,
    of_models,
    remove,
    touch,
    touch_elsewhere,
    write,
)

log = logging.getLogger(__name__)

# Where web.ctx has a Loaded for each web session of the request.
LOADED = "_loaded_web_sessions"


class Loaded(NamedTuple):
    """A web session as it was loaded: its pickle, or None; whether it is a new one; its id."""

    image: bytes | None = None
    new: bool = False
    id: str | None = None


class AtEnd(NamedTuple):
    """What happens to a web session when the transaction has ended (after.py).

    `do`, or `undo` where the answer's status is 500 or more; None for nothing.
    """

    do: object
    undo: object
    # Whether it is done in a transaction.
    models: bool = False
    # Whether the request's transaction has done it, if it was committed.
    inside: bool = False
    # Whether its failure is no failure of the request.
    optional: bool = False

    def finish(self, committed, stands):
        function = self.do if stands else self.undo
        if function is None or (self.inside and committed):
            return
        try:
            in_transaction(function) if self.models else function()
        except Exception:
            if not self.optional:
                raise
            log.log(
                logging.WARNING if self.models else logging.ERROR,
                "a web session was not saved. Nothing in it was changed, so it may only expire "
                "early; if this is logged again and again, see that its store can be written",
                exc_info=True,
            )


class Found:
    """The web sessions that were loaded before the processor, as they are now."""

    def __init__(self, context):
        """`context`: the __dict__ of web.ctx."""
        self._before = []
        for session in context[LOADED]:
            image = _image(session._data)
            self._before.append((session, image, _copy(session._data, image)))

    def put_back(self):
        """Put them back to what they were when this object was created."""
        for session, image, values in self._before:
            session._data.clear()
            session._data.update(_copy(values, image))

    def unbind(self):
        """Bind the instances in them to no request, like instances from a pickle.

        Raises what saving them will raise.
        """
        for session, *_ in self._before:
            _check(session)
            _unbind(session)


def save_at_once(transaction):
    """Save what needs no transaction: the answer of a reading request is on its way."""
    waiting = transaction.at_end
    transaction.at_end = tuple(one for one in waiting if one.models)
    for one in waiting:
        if not one.models:
            one.finish(True, True)


# `install` reports what is missing.
_STOCK = {name: getattr(Session, name, None) for name in ("_load", "_save", "kill", "_cleanup")}


def _load(session, stock=_STOCK["_load"]):
    transaction = current()
    before = web.ctx.get(LOADED, {})
    if transaction is not None and transaction.runs > 1 and session not in before:
        # An earlier run may have left values.
        session._data.clear()
    if transaction is not None and not transaction.writing and of_models(session.store):
        stock(WithStore(session, QuietStore(session.store, transaction)))
    else:
        stock(session)
    if not isinstance(session.store, UNSHARED):
        # A run may change in place what it is given.
        _unbind(session)
    new = web.cookies().get(session._config.cookie_name) != session.session_id
    web.ctx[LOADED] = {**before, session: Loaded(_image(session._data), new, session.session_id)}


def _save(session, stock=_STOCK["_save"]):
    _check(session)
    transaction = current()
    headers = len(web.ctx.headers)
    written = {}
    stock(WithStore(session, written))
    for id, value in written.items():
        _wait(transaction, _saving(session, id, value, transaction))
    if not written and session.get("_killed"):
        _wait(transaction, AtEnd(None, partial(_take_back, web.ctx.headers[headers:])))


def _saving(session, id, value, transaction):
    """Save `value` inside the request's transaction or not yet; return the rest, an AtEnd."""
    store = session.store
    models = of_models(store)
    loaded = web.ctx.get(LOADED, {}).get(session, Loaded())
    image = _image(value)
    begin = None
    if loaded.new and loaded.image is not None:
        begin = partial(write, store, id, pickle.loads(loaded.image))
    if image is not None and image == loaded.image:
        return _saving_unchanged(session, id, begin, models)
    note_saved(id)
    as_it_is = partial(write, store, id, _copy(value, image))
    do = as_it_is
    if not loaded.new and id == loaded.id and image is not None and loaded.image is not None:
        save = save_in_transaction if models else save_elsewhere
        do = partial(save, store, id, Change(loaded.image, image))
    inside = models and transaction is not None
    if inside:
        # Unless it has paused, this transaction has loaded it too.
        (do if transaction.paused else as_it_is)()
    return AtEnd(do, begin, models, inside=inside)


def _saving_unchanged(session, id, begin, models):
    if not models:
        return AtEnd(begin or partial(touch_elsewhere, session.store, id), begin, optional=True)
    due = begin is not None or is_due(id, session._config.timeout)
    if due:
        note_saved(id)
    do = begin or (partial(touch, session.store, id) if due else None)
    return AtEnd(do, do, models=True, optional=begin is None)


def _kill(session, stock=_STOCK["kill"]):
    transaction = current()
    store, id = session.store, session.session_id
    models = of_models(store)
    if transaction is None or models or id not in store:
        stock(session)
    else:
        session._killed = True
    if transaction is not None:
        _wait(transaction, AtEnd(partial(remove, store, id), None, models, inside=models))


def _clean_up(session, stock=_STOCK["_cleanup"]):
    transaction = current()
    if not of_models(session.store):
        # Another process may be at the same files; the next request goes on.
        with suppress(FileNotFoundError):
            stock(session)
    elif transaction is None or transaction.has_begun():
        stock(session)
    elif time.time() - session._last_cleanup_time > session._config.timeout:
        # It writes: it must not make this a writing request, nor conflict with others in it.
        with connection_set_to(NoTransaction(transaction, transaction.deadline)):
            in_transaction(partial(stock, session))


def _wait(transaction, one):
    if transaction is None:
        one.finish(False, True)
    else:
        transaction.at_end = (*transaction.at_end, one)


def _image(values):
    """Return the pickle of a web session's values; None where one of them has none."""
    try:
        return pickle.dumps(dict(values))
    except Exception:
        return None


def _check(session):
    """Raise, before the commit, where a web session cannot be saved."""
    if "session_id" not in session:
        raise RuntimeError(
            "web.py has cleared the sessions of this request, as app.request() in a handler does: "
            "call it in a thread, or put what it does into a function that both can call"
        )
    if isinstance(session.store, PICKLING):
        pickle.dumps(dict(session._data))


def _copy(values, image):
    """A copy of the values of a web session, whose pickle is `image` or None."""
    if image is not None:
        return pickle.loads(image)
    return {name: _copy_of_one(value) for name, value in dict(values).items()}


def _copy_of_one(value):
    try:
        return deepcopy(value)
    except Exception:
        # Such as a lock. It is the same one in each run.
        return value


def _unbind(session):
    session._data.update(_copy(session._data, _image(session._data)))


def _take_back(headers):
    """Do not send `headers` that remove the cookie of a web session which is still there."""
    web.ctx.headers[:] = [header for header in web.ctx.headers if header not in headers]


PATCHES = tuple(
    patches.Patch(Session, name, value, reason, tried_with=("0.76",))
    for name, value, reason in (
        ("_load", _load, "a run does not find what another has left"),
        ("_save", _save, "runs that come to nothing save nothing"),
        ("kill", _kill, "runs that come to nothing remove nothing"),
        ("_cleanup", _clean_up, "it does not make a request a writing one"),
    )
)


def install():
    """Change web.py's Session as PATCHES say, once in a process; raises PatchError."""
    patches.install(PATCHES, "web.py")
