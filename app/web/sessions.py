"""Sessions of visitors as rows, which the transaction of their request changes.

So a session ends in every process and on every host with the commit that deletes its row, and a
request that is rolled back changes nothing in it. The browser has a token, 32 random bytes in a
cookie; the row has only its SHA-256. A request loads its session when it first asks for it.

Any application can use this module; one that has web.py's sessions gives them `RowStore`.
"""

import contextlib
import hashlib
import json
import time
from functools import partial

import web
from sqlobject import (
    BigIntCol,
    DatabaseIndex,
    IntCol,
    SQLObject,
    SQLObjectNotFound,
    StringCol,
    UnicodeCol,
)
from web.session import Store

from app.web.cookies import new_secret, secret_in, set_secret

COOKIE = "session"
DAY = 24 * 3600
# A session ends these numbers of seconds after its last request, and after its beginning.
LONGEST_REST = 7 * DAY
LONGEST_LIFE = 30 * DAY
# Seconds between two notes of the last request, because each note is a transaction.
TOUCH_AFTER = 60
LONGEST_BROWSER = 200
# What MariaDB's TEXT holds, and far more than belongs in a session.
LONGEST_VALUES = 60_000
MOST_AT_ONCE = 100
MOST_OF_ACCOUNT = 100
MOST_FLASHES = 10
FLASHES = "flashes"
# Where web.ctx has the id of the session's row.
_ID = "_web_session"


class WebSession(SQLObject):
    """A session: its user, its origin and its values.

    `account`: the id of the signed-in user, or None. `begun`, `seen`: seconds since the epoch.
    """

    class sqlmeta:
        table = "web_session"

    digest = StringCol(length=64, notNone=True, alternateID=True)
    account = IntCol(default=None)
    begun = BigIntCol(notNone=True)
    seen = BigIntCol(notNone=True)
    browser = UnicodeCol(length=LONGEST_BROWSER, notNone=True, default="")
    address = StringCol(length=50, notNone=True, default="")
    data = UnicodeCol(notNone=True)
    accounts = DatabaseIndex("account")
    last = DatabaseIndex("seen")

    @classmethod
    def of_token(cls, token):
        """Return the session of a token; None where it is missing or has expired."""
        found = cls.selectBy(digest=digest_of(token)).getOne(None)
        return found if found is not None and found.lasts() else None

    @classmethod
    def of_account(cls, account):
        """Return the sessions of the user `account`, an id; the one seen last is first."""
        found = cls.selectBy(account=account).orderBy(["-seen", "-id"])
        return [one for one in found if one.lasts()]

    @classmethod
    def make(cls, token, account=None, values=None):
        """Create a session of a token, with values, a dict; remove some expired ones afterwards.

        If the account has 100 sessions, the ones that were unused for longest end.
        """
        _afterwards(cls.remove_expired)
        if account is not None:
            cls._make_room(account)
        now = int(time.time())
        text = _as_text(values or {})
        return cls(
            digest=digest_of(token), account=account, begun=now, seen=now, data=text, **_client()
        )

    @classmethod
    def _make_room(cls, account):
        ordered = cls.selectBy(account=account).orderBy(["-seen", "-id"])
        for one in ordered[MOST_OF_ACCOUNT - 1 : MOST_OF_ACCOUNT - 1 + MOST_AT_ONCE]:
            one.destroySelf()

    @classmethod
    def renew(cls, token, account=None):
        """End the session of `token`, if it lasts, and create one for `account`; return its token.

        It takes over the former values, unless they are another account's.
        """
        before = cls.of_token(token) if token else None
        values = None
        if before is not None:
            if before.account in (None, account):
                values = before.values()
            before.destroySelf()
        new = new_secret()
        cls.make(new, account, values)
        return new

    @classmethod
    def end_all(cls, account, connection=None):
        """End the sessions of the user `account`, an id.

        `connection`: SQLObject's, by default the thread's.
        """
        for one in cls.selectBy(connection, account=account):
            one.destroySelf()

    @classmethod
    def remove_expired(cls):
        """Remove at most 100 sessions that nobody uses. Too old ones are soon unused, too."""
        unused = cls.q.seen <= int(time.time()) - LONGEST_REST
        for one in cls.select(unused, orderBy="seen").limit(MOST_AT_ONCE):
            one.destroySelf()

    def lasts(self):
        """Whether it has not expired."""
        now = time.time()
        return self.seen > now - LONGEST_REST and self.begun > now - LONGEST_LIFE

    def values(self):
        """Return its values, a new dict each time: changing it does not change the session."""
        return json.loads(self.data)

    def change(self, values):
        """Set the values of the dict `values`; None removes one. It writes only a change.

        Raises TypeError for what is not JSON, and ValueError for more than 60,000 bytes of it.
        """
        text = _as_text({**self.values(), **values})
        if text != self.data:
            self.data = text


def digest_of(token):
    """Return what a row has of its token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def session():
    """Return the WebSession of the request, loaded when it is first asked for, or None."""
    known = web.ctx.get(_ID)
    if known is None:
        token = secret_in(COOKIE)
        found = WebSession.of_token(token) if token else None
        web.ctx[_ID] = 0 if found is None else found.id
        if found is not None and found.seen <= time.time() - TOUCH_AFTER:
            _afterwards(partial(_touch, found.id, _client()))
        return found
    try:
        # In the same transaction this does not ask the database.
        return WebSession.get(known) if known else None
    except SQLObjectNotFound:
        return None


def begin(account=None):
    """Put the visitor into a new session with a new token; after a sign-in it is for `account`.

    It takes over the present session's values, if that was nobody's or of the same account.
    """
    remember(WebSession.renew(secret_in(COOKIE), account))


def remember(token):
    """Have the browser store the token of the session that the request has from now on."""
    set_secret(COOKIE, token)
    web.ctx.pop(_ID, None)


def end():
    """End the request's session, if there is one: it is gone everywhere with the commit."""
    found = session()
    if found is not None:
        found.destroySelf()
    if secret_in(COOKIE):
        remember("")


def get(name, default=None):
    """Return a value of the request's session, as JSON returns what `put` was given."""
    found = session()
    return default if found is None else found.values().get(name, default)


def put(name, value):
    """Set a value of the request's session, which is begun if there is none; None removes it.

    `get` returns a copy: put it again after a change. Raises TypeError for what is not JSON, and
    ValueError for more than 60,000 bytes of it.
    """
    if session() is None:
        if value is None:
            return
        begin()
    session().change({name: value})


def flash(message):
    """Have the visitor's next page show the text `message` once; it shows the last 10 of many."""
    put(FLASHES, [*get(FLASHES, []), message][-MOST_FLASHES:])


def flashes():
    """Return the messages that the page shows, a list, and remove them from the session."""
    found = get(FLASHES, [])
    # Nobody sees the answer to HEAD.
    if found and web.ctx.method != "HEAD":
        put(FLASHES, None)
    return found


class RowStore(Store):
    """A store for web.py's own sessions: `web.session.Session(app, RowStore(), initializer)`.

    Their values are JSON. The table has the SHA-256 of web.py's session_id.
    """

    def __contains__(self, key):
        return WebSession.of_token(key) is not None

    def __getitem__(self, key):
        found = WebSession.of_token(key)
        if found is None:
            raise KeyError(key)
        return {**found.values(), "session_id": key}

    def __setitem__(self, key, value):
        values = {name: one for name, one in value.items() if name != "session_id"}
        found = WebSession.of_token(key)
        if found is None:
            del self[key]
            WebSession.make(key, values=values)
        else:
            found.set(data=_as_text(values), seen=int(time.time()), **_client())

    def __delitem__(self, key):
        WebSession.deleteBy(digest=digest_of(key))

    def cleanup(self, timeout):
        WebSession.deleteMany(WebSession.q.seen < int(time.time() - timeout))


def _as_text(values):
    present = {name: value for name, value in values.items() if value is not None}
    text = json.dumps(present, allow_nan=False)
    if len(text) > LONGEST_VALUES:
        raise ValueError(f"a session has {len(text)} bytes of JSON: put less into it")
    return text


def _client():
    agent = web.ctx.env.get("HTTP_USER_AGENT", "")
    browser = "".join(character for character in agent if character.isprintable())
    return {"browser": browser[:LONGEST_BROWSER], "address": (web.ctx.ip or "")[:50]}


def _touch(id, client):
    # A session that was ended meanwhile stays ended.
    for one in WebSession.selectBy(id=id):
        one.set(seen=int(time.time()), **client)


def _afterwards(work):
    """Call `work()` in a new transaction when the request's is committed.

    In the request's own it would turn a reading request into a writing one, which waits for
    others. Work that takes more than a second is left to the next request.
    """
    # Imported here: whoever only imports this module has SQLObject as it comes.
    from app.transactions import GivenUp, in_transaction, on_commit

    def work_if_there_is_time():
        with contextlib.suppress(GivenUp):
            in_transaction(work, timeout=1)

    on_commit(work_if_there_is_time)
