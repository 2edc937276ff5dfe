"""The example's SQLObject classes and their rules.

`python -m app.database` creates a table for each class that `from app.models import *` gives.
"""

import random
import secrets
import string
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from formencode import validators
from sqlobject import IntCol, SQLObject, StringCol, UnicodeCol, events
from sqlobject.sqlbuilder import SQLExpression

from app.web.idempotency import StoredAnswer
from app.web.sessions import WebSession
from app.web.throttle import Failure

__all__ = ["User", "WebSession", "Failure", "StoredAnswer"]

LONGEST_NAME = 100
LONGEST_FULLNAME = 200
LONGEST_PASSWORD = 1024
# NIST's Special Publication 800-63B, 5.1.1.2.
LEAST_PASSWORD = 8
SAMPLE_USERS = 3
# Unicode calls them letters or symbols: fillers of Hangul and Khmer, and Braille without a dot.
BLANK_LETTERS = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"

# The least memory of OWASP's Password Storage Cheat Sheet: every thread of every process may be
# hashing at the same time.
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


class HashedPassword(str):
    """An argon2 hash: what the column holds. Any other text assigned to it is hashed first."""

    __slots__ = ()


class Text(validators.Validator):
    """Refuses what is not text of 1 to `longest` characters without control characters."""

    longest = None

    def from_python(self, value, state=None):
        if isinstance(value, SQLExpression):
            return value
        if not isinstance(value, str):
            fault = "must be text"
        elif not any(map(_is_seen, value)):
            fault = "must have a character that can be seen"
        elif len(value) > self.longest:
            fault = f"has {len(value)} characters: at most {self.longest} are allowed"
        elif any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
            fault = "must not contain control characters or lone surrogates"
        else:
            return value
        raise validators.Invalid(fault, value, state)


def _is_seen(character):
    """Whether a character can be seen alone: no blank, control, format or combining character."""
    if unicodedata.category(character) in ("Cc", "Cf", "Cn", "Cs", "Mn", "Zl", "Zp", "Zs"):
        return False
    return character not in BLANK_LETTERS


class Password(Text):
    """Refuses as `Text` does and turns a password into its hash on the way to the database."""

    def from_python(self, value, state=None):
        if not isinstance(value, HashedPassword):
            value = _hasher.hash(super().from_python(value, state))
        return str(value)

    def to_python(self, value, state=None):
        return HashedPassword(value)


class NewPassword(Text):
    """Refuses as `Text` does, and a password with which nobody should sign in; hashes nothing."""

    def from_python(self, value, state=None):
        value = super().from_python(value, state)
        if len(value) < LEAST_PASSWORD:
            fault = f"must have at least {LEAST_PASSWORD} characters"
            raise validators.Invalid(fault, value, state)
        return value


# Without a sign-in one can read too. An editor can also write.
ROLES = ("reader", "editor")

RULES = {
    "name": Text(longest=LONGEST_NAME),
    "fullname": Text(longest=LONGEST_FULLNAME),
    "password": Password(longest=LONGEST_PASSWORD),
}
# What people send, before it is hashed.
_NEW_RULES = RULES | {"password": NewPassword(longest=LONGEST_PASSWORD)}


class User(SQLObject):
    """The recipe's user. The password is stored as an argon2 hash and shown nowhere.

    `version` grows by one with each change that is sent to the row. A change of the password ends
    all sessions of the user, whatever changes it.
    """

    class sqlmeta:
        # The default, "user", is a reserved word in PostgreSQL.
        table = "users"

        def asDict(self):
            return {name: getattr(self.instance, name) for name in ("id", "name", "fullname")}

        # SQLObject sets this during an assignment, and leaves it set where that fails. Then
        # _note_change would never be called again for this instance. Nothing here needs it.
        row_update_sig_suppress = property(lambda _: False, lambda _, value: None, lambda _: None)

    name = UnicodeCol(length=LONGEST_NAME, notNone=True, alternateID=True, validator=RULES["name"])
    fullname = UnicodeCol(length=LONGEST_FULLNAME, notNone=True, validator=RULES["fullname"])
    password = StringCol(length=255, notNone=True, validator=RULES["password"])
    role = StringCol(length=20, notNone=True, default=ROLES[0], defaultSQL=f"'{ROLES[0]}'")
    version = IntCol(notNone=True, default=1, defaultSQL="1")

    @classmethod
    def fill_new_table(cls):
        """Add the sample users and return the line that says so.

        `python -m app.database` calls it in the transaction that creates the table, and never
        again, so that deleted users do not come back.
        """
        samples = [add_random_user() for _ in range(SAMPLE_USERS)]
        return "sample users: " + ", ".join(map(str, samples))

    @classmethod
    def page(cls, after, limit):
        """Return at most `limit` users with ids above `after`, and the `after` of the next page.

        The latter is None on the last page.
        """
        users = list(cls.select(cls.q.id > after, orderBy=cls.q.id).limit(limit + 1))
        following = users[limit - 1].id if len(users) > limit else None
        return users[:limit], following

    @classmethod
    def named(cls, name):
        """Return the user with exactly this name, or None. To MariaDB other names may be equal."""
        try:
            RULES["name"].from_python(name)
        except validators.Invalid:
            return None
        found = cls.selectBy(name=name).getOne(None)
        return found if found is not None and found.name == name else None

    def check_password(self, password):
        """Return whether `password` is the one whose hash is stored."""
        return is_password(password, self.password)

    def replace_hash(self, newer):
        """Store another hash of the same password. That is no change of it, so no session ends."""
        self.set(password=newer, version=self.version)

    def _reprItems(self):
        return [("name", self.name), ("fullname", self.fullname)]


def _note_change(user, values):
    if values and "version" not in values:
        values["version"] = user.version + 1
        if "password" in values:
            _end_sessions(user)


def _end_sessions(user, _after=None):
    WebSession.end_all(user.id, user._connection)


events.listen(_note_change, User, events.RowUpdateSignal)
events.listen(_end_sessions, User, events.RowDestroySignal)


def is_password(password, stored):
    """Return whether `password` has the hash `stored`; None stands for nobody's.

    It takes tens of milliseconds (see `checked`), for None too. Raises argon2's VerificationError
    where it cannot decide, as without memory.
    """
    nobodys = _nobodys_hash()
    try:
        return _hasher.verify(nobodys if stored is None else stored, password)
    except (InvalidHashError, VerifyMismatchError):
        return False


@cache
def _nobodys_hash():
    return _hasher.hash(secrets.token_urlsafe(32))


def newer_hash(password, stored):
    """Return a new hash of `password`; None where its hash `stored` has our parameters already."""
    if not _hasher.check_needs_rehash(stored):
        return None
    return HashedPassword(_hasher.hash(password))


def checked(values):
    """Return the values of a mapping of field to value in the form that User's columns take.

    It hashes the password, which takes tens of milliseconds. So call it before the first use of
    the database, when no lock is held.
    Raises formencode.Invalid with `error_dict`, field to fault.
    """
    ready, faults = {}, {}
    for field, value in values.items():
        try:
            ready[field] = _NEW_RULES[field].from_python(value)
        except validators.Invalid as error:
            faults[field] = error.msg
    if faults:
        raise validators.Invalid("wrong fields", values, None, error_dict=faults)
    if "password" in ready:
        ready["password"] = HashedPassword(RULES["password"].from_python(ready["password"]))
    return ready


def fault_of_new_password(password):
    """Return what is wrong with a password that somebody chooses for signing in, or None."""
    try:
        _NEW_RULES["password"].from_python(password)
    except validators.Invalid as error:
        return error.msg
    return None


def add_random_user(source=random):
    """Add a user as the recipe does, with a free random name, and return it.

    `source`, a random.Random, gives the letters of its names; with the same seed they are the
    same. Nobody knows the password.
    """
    password = checked({"password": secrets.token_urlsafe(16)})["password"]
    while True:
        name = _letters(source, 4)
        fullname = f"{name} {_letters(source, 7)}"
        there = User.selectBy(name=name).getOne(None)
        if there is None:
            return User(name=name, fullname=fullname, password=password)
        if there.fullname == fullname:
            return there


def _letters(source, count):
    return "".join(source.choices(string.ascii_letters, k=count))
