"""The lab's web sessions: each stores its elements in a key of the mode, in its transactions.

A session's id is its key as HEX_DIGITS hexadecimal digits.
"""

import json
from functools import cache

import web
from sqlobject import SQLObjectNotFound
from web.session import Session, Store

from app.lab.accepted import MOST_KEYS, stored
from app.lab.modes import key_class
from app.web.problems import Problem

COOKIE = "webpy_session_id"
HEX_DIGITS = 40


class KeyStore(Store):
    """A store of web.py's sessions, of models: the lists of a mode's keys."""

    def __init__(self, mode):
        self._mode = mode

    def __contains__(self, id):
        try:
            return bool(self._row(id))
        except SQLObjectNotFound:
            return False

    def __getitem__(self, id):
        return {"elements": json.loads(self._row(id).value)}

    def __setitem__(self, id, session):
        self._row(id).value = stored(session["elements"])

    def cleanup(self, timeout):
        """Do nothing: a reset creates and removes keys."""

    def _row(self, id):
        return key_class(self._mode).get(int(id, 16))


@cache
def session_of(mode):
    """Return the web.session.Session of a mode; `processor` loads and saves it."""
    return Session(None, KeyStore(mode))


def processor(mode):
    """Return the processor that gives requests to /lab/<mode>/session their web session."""
    path = f"/lab/{mode}/session"

    def only_there(handler):
        if web.ctx.path != path:
            return handler()
        key_of_session()
        return session_of(mode)._processor(handler)

    return only_there


def key_of_session():
    """Return the key that the request's cookie names; raises Problem 403 where it names none."""
    id = web.cookies().get(COOKIE, "")
    try:
        key = int(id, 16) if len(id) == HEX_DIGITS else 0
    except ValueError:
        key = 0
    if not 1 <= key <= MOST_KEYS:
        raise Problem(
            403, f"The cookie {COOKIE} must be a key as {HEX_DIGITS} hexadecimal digits."
        )
    return key
