"""The site's settings: read once from the environment and one settings file, checked, frozen.

To add a setting, add one line to `Settings`: its field, variable, parser (parsers.py) and default.
The file's other lines belong to the application (`Settings.others`).
"""

import difflib
import os
import pwd
import re
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import quote

from app import parsers

ROOT = Path(__file__).resolve().parent.parent
FILE_VARIABLE = "SITE_SETTINGS"
# Names that begin so are the bundle's. Others may be the application's.
OWN_NAMES = re.compile("SITE_|WEBPY_", re.IGNORECASE)
# Settings of earlier versions, and why they are gone.
REMOVED = {
    "SITE_HEALTH": "every application answers /healthz and /readyz",
    "SITE_SECRET_KEY": "forms need no key",
}
# A database's address. Under another name, where DATABASE_URI is missing, it is a slip.
ADDRESS = re.compile("(sqlite|postgres|postgresql|mysql)[a-z+0-9]*:/", re.IGNORECASE)


class SettingsError(Exception):
    """A setting is wrong or missing; the message names the variable and the cure."""


def _setting(variable, parse, default=None, secret=False):
    return field(default=default, repr=not secret, metadata={"variable": variable, "parse": parse})


@dataclass(frozen=True)
class Settings:
    """The checked values. Times are in seconds, sizes in bytes; secrets are not in the repr."""

    application: str | None = _setting("SITE_APPLICATION", parsers.application)
    path: Path | None = _setting("SITE_PATH", parsers.folder)
    database: str | None = _setting("SITE_DATABASE", parsers.database)
    database_uri: str = _setting(
        "DATABASE_URI",
        parsers.uri,
        "sqlite://" + quote(str(ROOT / "var" / "site.db")),
        secret=True,
    )
    cache_rows: int = _setting("SITE_CACHE_ROWS", parsers.count_or_none, 10_000)
    busy_timeout: float = _setting("SITE_BUSY_TIMEOUT", parsers.seconds, 5.0)
    statement_timeout: float = _setting("SITE_STATEMENT_TIMEOUT", parsers.seconds, 30.0)
    connect_timeout: float = _setting("SITE_CONNECT_TIMEOUT", parsers.seconds, 5.0)
    check_after: float = _setting("SITE_CHECK_AFTER", parsers.seconds, 30.0)
    foreign_keys: bool = _setting("SITE_FOREIGN_KEYS", parsers.flag, True)
    sqlite_queue: bool = _setting("SITE_SQLITE_QUEUE", parsers.flag, True)
    demo: bool = _setting("SITE_DEMO", parsers.flag, False)
    lab: bool = _setting("SITE_LAB", parsers.flag, False)
    api_token: str | None = _setting("SITE_API_TOKEN", parsers.token, secret=True)
    max_body: int = _setting("SITE_MAX_BODY", parsers.count, 1024 * 1024)
    retry_attempts: int = _setting("SITE_RETRY_ATTEMPTS", parsers.count, 10)
    request_seconds: float = _setting("SITE_REQUEST_SECONDS", parsers.seconds, 50.0)
    retry_seconds: float = _setting("SITE_RETRY_SECONDS", parsers.seconds, 10.0)
    request_log: bool = _setting("SITE_REQUEST_LOG", parsers.flag, False)
    slow_seconds: float | None = _setting("SITE_SLOW_SECONDS", parsers.seconds)
    metrics: Path | None = _setting("SITE_METRICS", parsers.absolute)
    metrics_from: tuple = _setting(
        "SITE_METRICS_FROM", parsers.networks, parsers.networks("127.0.0.0/8 ::1")
    )
    # The file's other lines. The application finds them in os.environ.
    others: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        for variable, value in (("SITE_PATH", self.path), ("SITE_DATABASE", self.database)):
            if value and not self.application:
                raise SettingsError(
                    f"{variable} is set without SITE_APPLICATION: name the application, for "
                    "example SITE_APPLICATION=wiki.code:app"
                )


def read_settings(environ, default_file):
    """Return the `Settings` of a mapping of environment variables.

    The file that SITE_SETTINGS names, or else `default_file` if it exists, holds KEY=value lines;
    a variable in `environ` wins over it. A variable with an empty value counts as not set. Raises
    SettingsError for an unknown SITE_* variable, a WEBPY_* name in the file, a database's address
    of another name there where DATABASE_URI is missing, a wrong value, and a file that is missing,
    unreadable or malformed.
    """
    by_variable = {item.metadata["variable"]: item for item in fields(Settings) if item.metadata}
    _refuse_unknown(
        [name for name in environ if name.startswith("SITE_") and name != FILE_VARIABLE],
        by_variable,
        "in the environment",
    )
    given = {}
    file = _file_to_read(environ, default_file)
    if file:
        given = _read_file(file)
        own = [name for name in given if OWN_NAMES.match(name) or _is_a_slip(name, by_variable)]
        _refuse_unknown(own, by_variable, f"in {file}")
    others = {name: given.pop(name) for name in list(given) if name not in by_variable}
    given.update((name, environ[name]) for name in by_variable if environ.get(name))
    if "DATABASE_URI" not in given:
        # A slip would have the default's database served instead.
        near = [name for name, text in others.items() if ADDRESS.match(text)]
        _refuse_unknown(near, ["DATABASE_URI"], f"in {file}")
    values = {
        by_variable[variable].name: _parsed(by_variable[variable], variable, text)
        for variable, text in given.items()
    }
    return Settings(**values, others=others)


def _is_a_slip(name, known):
    return name not in known and bool(difflib.get_close_matches(name.upper(), known, 1, 0.95))


def _parsed(item, variable, text):
    try:
        text.encode()
        return item.metadata["parse"](text)
    except UnicodeEncodeError:
        raise SettingsError(f"{variable} is not text in UTF-8: write it so") from None
    except ValueError as error:
        raise SettingsError(f"{variable} {error}") from None


def _refuse_unknown(names, known, place):
    for name in names:
        if name.upper().startswith("WEBPY_"):
            raise SettingsError(
                f"{name} {place} is a Define of Apache's: write it into the file that includes "
                "apache/site.conf"
            )
        if why := REMOVED.get(name):
            raise SettingsError(f"{name} {place} is no setting any more: remove it, {why}")
        if name not in known:
            near = difflib.get_close_matches(name.upper(), known, 1, 0)[0]
            raise SettingsError(f"{name} {place} is not a setting: did you mean {near}?")


def _file_to_read(environ, default_file):
    named = environ.get(FILE_VARIABLE)
    if named and not os.path.isabs(named):
        raise SettingsError(f"{FILE_VARIABLE} is {named!r}: write the file's absolute path")
    if named:
        return Path(named)
    return default_file if default_file.exists() else None


def this_user():
    """The name of this process's user, or the number of one that has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # A container may be run by any number.
        return str(os.getuid())


def _read_file(file):
    """Return the KEY=value lines of `file`; a value may stand between matching quotes."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except PermissionError:
        raise SettingsError(
            f"the settings file {file} cannot be read by {this_user()}, as whom the site runs: "
            f"let that user enter its folder, and `chown {this_user()} {file}`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the settings file {file} cannot be read ({error}): make it a readable UTF-8 file "
            f"or name another one in {FILE_VARIABLE}"
        ) from None
    given = {}
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:(['\"])(.*)\2|(.*))", line)
        if not found:
            raise SettingsError(f"{file} line {number} is malformed: write KEY=value")
        if found[1] in given:
            raise SettingsError(f"{found[1]} stands twice in {file}: remove line {number}")
        if found[2] is None and re.search(r"^['\"]|\s#", found[4]):
            raise SettingsError(
                f"{file} line {number} is malformed: put the whole value between quotes, and a "
                "comment into a line without a setting"
            )
        given[found[1]] = found[4] if found[2] is None else found[3]
    return {name: value for name, value in given.items() if value}


def stop(error):
    """Raise `error`, a SettingsError found while the package is imported.

    A command answers only with the message and the usage status. A command is
    `python -m app.<module>`, which has "-m" in argv[0] during the import (sys.argv's
    documentation), or one of the scripts or Docker's entrypoint, which have their file there.
    """
    command = sys.argv[0] if sys.argv else ""
    folders = Path(command).resolve().parents
    if command == "-m" or ROOT / "scripts" in folders or ROOT / "docker" in folders:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    raise error from None


def _read_at_import():
    try:
        return read_settings(os.environ, ROOT / "site.env")
    except SettingsError as error:
        stop(error)


settings = _read_at_import()
