"""The example's SQLObject classes and their rules; `python -m app.models` makes the database."""

import random
import re
import secrets
import string
import sys
import unicodedata
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from formencode import validators
from sqlobject import SQLObject, StringCol, UnicodeCol, dberrors, sqlhub
from sqlobject.sqlbuilder import SQLExpression

from app.transactions import SchemaError, update_table
from app.transactions.tables import in_one_transaction

__all__ = ["User"]

LONGEST_NAME = 100
LONGEST_FULLNAME = 200
LONGEST_PASSWORD = 1024
SAMPLE_USERS = 3

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
        elif not value.strip():
            fault = "must not be empty"
        elif len(value) > self.longest:
            fault = f"has {len(value)} characters: at most {self.longest} are allowed"
        elif any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
            fault = "must not contain control characters or lone surrogates"
        else:
            return value
        raise validators.Invalid(fault, value, state)


class Password(Text):
    """Refuses as `Text` does and turns a password into its hash on the way to the database."""

    def from_python(self, value, state=None):
        if not isinstance(value, HashedPassword):
            value = _hasher.hash(super().from_python(value, state))
        return str(value)

    def to_python(self, value, state=None):
        return HashedPassword(value)


RULES = {
    "name": Text(longest=LONGEST_NAME),
    "fullname": Text(longest=LONGEST_FULLNAME),
    "password": Password(longest=LONGEST_PASSWORD),
}


class User(SQLObject):
    """The recipe's user. The password is stored as an argon2 hash and shown nowhere."""

    class sqlmeta:
        # The default, "user", is a reserved word in PostgreSQL.
        table = "users"

        def asDict(self):
            return {name: getattr(self.instance, name) for name in ("id", "name", "fullname")}

    name = UnicodeCol(length=LONGEST_NAME, notNone=True, alternateID=True, validator=RULES["name"])
    fullname = UnicodeCol(length=LONGEST_FULLNAME, notNone=True, validator=RULES["fullname"])
    password = StringCol(length=255, notNone=True, validator=RULES["password"])

    @classmethod
    def page(cls, after, limit):
        """Return at most `limit` users with ids above `after`, and the `after` of the next page.

        The latter is None on the last page.
        """
        users = list(cls.select(cls.q.id > after, orderBy=cls.q.id).limit(limit + 1))
        following = users[limit - 1].id if len(users) > limit else None
        return users[:limit], following

    def check_password(self, password):
        """Return whether `password` is the one whose hash is stored."""
        try:
            return _hasher.verify(self.password, password)
        except (InvalidHashError, VerificationError):
            return False

    def _reprItems(self):
        return [("name", self.name), ("fullname", self.fullname)]


def checked(values):
    """Return the values of a mapping of field to value as they go into User's columns.

    The password is hashed, which takes tens of milliseconds: call it before the first use of
    the database, so that the write lock is not held meanwhile.
    Raises formencode.Invalid with `error_dict`, field to fault.
    """
    ready, faults = {}, {}
    for field, value in values.items():
        try:
            ready[field] = RULES[field].from_python(value)
        except validators.Invalid as error:
            faults[field] = error.msg
    if faults:
        raise validators.Invalid("wrong fields", values, None, error_dict=faults)
    if "password" in ready:
        ready["password"] = HashedPassword(ready["password"])
    return ready


def add_random_user():
    """Add a user as the recipe does, with a free random name, and return it.

    Nobody knows its password.
    """
    password = checked({"password": secrets.token_urlsafe(16)})["password"]
    name = _letters(4)
    while User.selectBy(name=name).count():
        name = _letters(4)
    return User(name=name, fullname=f"{name} {_letters(7)}", password=password)


def _letters(count):
    return "".join(random.choices(string.ascii_letters, k=count))


def make_database():
    """Make what is missing of the tables and return lines that say what was done.

    Works on `sqlhub.processConnection`, in one transaction, which is tried again when another
    one is in its way. Raises OSError, SchemaError where a table that is there contradicts its
    model, and the errors of the driver and of sqlobject.dberrors.
    """
    connection = sqlhub.processConnection
    if connection.dbName == "sqlite":
        Path(connection.filename).parent.mkdir(parents=True, exist_ok=True)
    return in_one_transaction(_make_users)


def _make_users():
    """Sample users go into a new table only, so that deleted ones do not come back."""
    table = User.sqlmeta.table
    if User.tableExists():
        done = update_table(User)
        return [f"table {table}: there already, users in it: {User.select().count()}", *done]
    # Not ifNotExists: MariaDB commits here, and of two commands at once the later must notice.
    User.createTable()
    samples = [add_random_user() for _ in range(SAMPLE_USERS)]
    return [f"table {table}: made", "sample users: " + ", ".join(map(str, samples))]


def main():
    """Make the database of the settings, or bring its tables to what the models say.

    Returns the exit status: 2 where the database cannot be used, 3 where a table contradicts its
    model, which no waiting changes.
    """
    from app import load_sqlo

    load_sqlo()
    connection = sqlhub.processConnection
    # SQLObject quotes neither the slashes of a password nor the at signs of a path.
    shown = re.sub(r"//.*@", "//", connection.uri())
    try:
        done = make_database()
    except SchemaError as error:
        print(f"error: the database {shown} is not as the models say:\n{error}", file=sys.stderr)
        return 3
    except (OSError, dberrors.Error, connection.module.Error) as error:
        print(
            f"error: the database {shown} could not be made: {error}\n{_cure(connection)}",
            file=sys.stderr,
        )
        return 2
    print("\n".join([f"database {shown}", *done]))
    return 0


def _cure(connection):
    if connection.dbName == "sqlite":
        return "Let this user write to its directory, or set DATABASE_URI to another place."
    return (
        "Start the server, or correct the host, port, user, password and database in "
        "DATABASE_URI; characters other than letters and digits are written there as %XX."
    )


if __name__ == "__main__":
    sys.exit(main())
