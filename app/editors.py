"""Makes a user an editor, who may write, with a password that is typed or stands in a file."""

import getpass

from formencode import validators

from app.models import RULES, User, checked
from app.settings import SettingsError
from app.sign_in import account_key
from app.tables import check_database
from app.transactions.tables import in_one_transaction
from app.web.throttle import Failure


def values_of(name, file):
    """Return the values of the user `name`, with the hash of the password.

    The password is the first line of `file`, a Path, or is typed twice where it is None. Raises
    ValueError for a wrong name or password, and OSError where the file cannot be read.
    """
    try:
        RULES["name"].from_python(name)
    except validators.Invalid as error:
        raise ValueError(f"the name {error.msg}") from None
    password = _typed(name) if file is None else _first_line(file)
    try:
        return checked({"name": name, "password": password})
    except validators.Invalid as error:
        raise ValueError(f"the password {error.error_dict['password']}") from None


def _typed(name):
    try:
        password = getpass.getpass(f"Password of {name}: ")
        again = getpass.getpass("Again: ")
    except EOFError:
        raise ValueError("no password was typed: type it twice, or use --password-file") from None
    if password != again:
        raise ValueError("two different passwords were typed")
    return password


def _first_line(file):
    try:
        # Some editors begin a file with a mark that nobody types.
        return file.read_text(encoding="utf-8-sig").split("\n", 1)[0].removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not text in UTF-8") from None
    except OSError as error:
        cure = "name a file whose first line is the password"
        raise ValueError(f"--password-file: {file}: {error.strerror}: {cure}") from None


def make_editor(values):
    """Make a user of `values_of` an editor, and add it if it is missing; all its sessions end.

    Returns lines that report it. Raises as app.tables.check_database, and SettingsError where the
    database takes another user's name for this one.
    """
    check_database()
    return [in_one_transaction(lambda: _make_editor(**values))]


def _make_editor(name, password):
    user = User.selectBy(name=name).getOne(None)
    if user is None:
        user = User(name=name, fullname=name, password=password, role="editor")
        return f"user {user.id} {name}: created, an editor"
    if user.name != name:
        raise SettingsError(f"user {user.id} has the name {user.name!r}: write it exactly so")
    user.set(password=password, role="editor")
    Failure.forget(account_key(name))
    return f"user {user.id} {name}: an editor, with the new password; its sessions have ended"
