"""Requests that may be sent again: the header Idempotency-Key, and answers stored under it.

https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header

The request's own transaction claims the key and stores the answer. So both exist exactly if its
effect does. Of two requests under one key at the same time, the later one waits for the claim of
the earlier one. On SQLite it waits before its transaction begins, on MariaDB at its INSERT, which
then finds the other's. On PostgreSQL it is run again, because its snapshot is older than the
other's commit, and the new run finds the answer. A request that waits too long is answered 503
with Retry-After, and nothing of it has been done.

An error is not stored, and what was done before it is undone. So the client may send the request
again under its key, corrected or not. Needs SQLite 3.35, PostgreSQL or MariaDB 10.5.
"""

import hmac
import json
import re
import time
from contextlib import suppress

import web
from sqlobject import BigIntCol, DatabaseIndex, SQLObject, StringCol, sqlhub
from sqlobject.sqlbuilder import IN, Delete, Insert, Update

from app.web.problems import Problem

LONGEST_KEY = 255
# Seconds.
LIFETIME = 24 * 3600
# One claim in this many deletes expired ones; a prime, because some servers count in steps.
CLEAN_EACH = 47
MOST_CLEANED = 200
# In characters: MariaDB's TEXT has 64 KiB.
LONGEST_ANSWER = 60_000
STORED_HEADERS = {"content-location", "content-type", "etag", "link", "location"}

# A string of RFC 8941 between its quotes.
_KEY = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')


class StoredAnswer(SQLObject):
    """The answer under a key; the row has the key's digest.

    `answer` is JSON, [status line, headers, body]. It is None after a refused request, of which
    nothing else is left.
    """

    class sqlmeta:
        table = "stored_answers"

    keyDigest = StringCol(length=64, notNone=True, alternateID=True)
    fingerprint = StringCol(length=64, notNone=True)
    # In seconds since 1970.
    created = BigIntCol(notNone=True)
    answer = StringCol(default=None)
    createdIndex = DatabaseIndex("created")


def once(work, sent, secret):
    """Return the text that `work()` returns, or what it returned before under the request's key.

    `work` does all of the request's work in the database, and sets the answer's status and
    headers. Where it answers an error or raises one, its work is undone. `sent`: what the client
    has sent, a value that JSON can hold. `secret`: text that only this client knows, such as its
    token. Each secret has its own keys. Without the secret nobody can guess from the table what
    was sent, such as a password.

    A request without a key is just done. Raises Problem 400 for a malformed key, 422 where another
    request has used it, ValueError for an answer that is too long to be stored, TypeError for one
    that is no text, and what `work` raises.
    """
    key = _key()
    if key is None:
        return work()
    # Application has created the list; unavailable() looks into it.
    web.ctx.get("heeded_keys", []).append(key)
    digest = _digest(secret, key)
    stored = _claim(digest, _digest(secret, _request(), sent), int(time.time()))
    if stored is not None:
        return _answered_again(stored)
    return _done_and_stored(work, digest)


class _Refused(Exception):
    """Has the savepoint undo the work of a request that is answered by an error."""


def _done_and_stored(work, digest):
    """Return what `work()` returns, or raise its error; without a stored answer all is undone."""
    # Imported here: whoever only imports this module has SQLObject as it comes.
    from app.transactions import savepoint

    text = answer = None
    with suppress(_Refused), savepoint():
        try:
            text = work()
        except web.HTTPError as raised:
            answer = raised
        if web.ctx.status[:1] not in ("2", "3"):
            raise _Refused
        _store(digest, answer.data if answer else text)
    if answer:
        raise answer
    return text


def _key():
    header = web.ctx.env.get("HTTP_IDEMPOTENCY_KEY")
    if header is None:
        return None
    found = _KEY.fullmatch(header)
    if not found or len(found[1]) > LONGEST_KEY:
        raise Problem(
            400,
            f"Idempotency-Key must be one text of 1 to {LONGEST_KEY} ASCII characters in quotes, "
            'such as "8e03978e-40d5-43e8-bc93-6894a57f9324".',
        )
    return found[1]


def _request():
    environ = web.ctx.env
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
    return [environ.get(name) for name in names]


def _digest(secret, *parts):
    text = json.dumps(parts, sort_keys=True)
    return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()


def _claim(digest, fingerprint, now):
    """Claim the key for this request; return the StoredAnswer of an earlier one, or None.

    Raises Problem 422 where the earlier request was a different one.
    """
    connection = sqlhub.getConnection()
    values = {"key_digest": digest, "fingerprint": fingerprint, "created": now}
    insert = connection.sqlrepr(Insert(StoredAnswer.sqlmeta.table, values=values))
    # Not SELECT before INSERT: on PostgreSQL requests under different keys would conflict.
    if connection.dbName == "mysql":
        insert = insert.replace("INSERT", "INSERT IGNORE", 1)
    else:
        insert += " ON CONFLICT DO NOTHING"
    claimed = connection.queryAll(f"{insert} RETURNING id")
    if claimed:
        if claimed[0][0] % CLEAN_EACH == 0:
            forget_expired(now)
        return None
    row = StoredAnswer.byKeyDigest(digest)
    if row.answer is None or row.created <= now - LIFETIME:
        row.set(fingerprint=fingerprint, created=now, answer=None)
        return None
    if row.fingerprint != fingerprint:
        raise Problem(422, "Another request has had this Idempotency-Key: take a new one.")
    return row


def _answered_again(stored):
    status, headers, text = json.loads(stored.answer)
    web.ctx.status = status
    for name, value in headers:
        web.header(name, value)
    return text


def _store(digest, text):
    """Store the answer `text` with its status and headers."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} cannot be stored under an Idempotency-Key: return text")
    headers = [pair for pair in web.ctx.headers if pair[0].lower() in STORED_HEADERS]
    answer = json.dumps([web.ctx.status, headers, text])
    if len(answer) > LONGEST_ANSWER:
        raise ValueError(
            f"the answer has {len(answer)} characters, which cannot be stored under an "
            f"Idempotency-Key: return at most {LONGEST_ANSWER}, such as the place of the rest"
        )
    mine = StoredAnswer.q.keyDigest == digest
    _execute(Update(StoredAnswer.sqlmeta.table, {"answer": answer}, where=mine))


def forget_expired(now):
    """Delete the oldest of the expired ones, at most MOST_CLEANED."""
    old = StoredAnswer.select(
        StoredAnswer.q.created <= now - LIFETIME, orderBy=StoredAnswer.q.created
    )
    ids = [row.id for row in old.limit(MOST_CLEANED)]
    if ids:
        _execute(Delete(StoredAnswer.sqlmeta.table, IN(StoredAnswer.q.id, ids)))


def _execute(statement):
    connection = sqlhub.getConnection()
    connection.query(connection.sqlrepr(statement))
