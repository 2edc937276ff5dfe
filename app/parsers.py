"""The parsers of the settings' texts: each returns a value.

Each raises ValueError whose message follows the variable's name and names the cure.
"""

import ipaddress
import math
import os
import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_NAMED = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
_SHORTEST_TOKEN = 16


def flag(value):
    known = {"on": True, "true": True, "yes": True, "1": True}
    known |= {"off": False, "false": False, "no": False, "0": False}
    if value.lower() not in known:
        raise ValueError(f"is {value!r}: write on or off")
    return known[value.lower()]


def seconds(value):
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number <= 3600:
        raise ValueError(f"is {value!r}: write a number of seconds above 0, at most 3600")
    return number


def count(value):
    if not re.fullmatch(r"[0-9]{1,12}", value) or int(value) < 1:
        raise ValueError(f"is {value!r}: write a whole number, at least 1")
    return int(value)


def count_or_none(value):
    if value == "0":
        return 0
    return count(value)


def uri(value):
    """A relative SQLite path would mean another file in each process's working directory."""
    if not re.match(r"[a-z][a-z0-9+]*:", value):
        raise ValueError("is not a database URI: write for example sqlite:///srv/site/site.db")
    if re.search(r"[\s#]", value):
        raise ValueError(
            "has a blank or #: write it as %20 or %23, and a comment into a line without a setting"
        )
    if "%00" in value:
        raise ValueError("has %00, which no name has: leave it out")
    if value.startswith("sqlite:") and not re.match(r"sqlite:(//)?/[^/]", value):
        raise ValueError("needs an absolute path: write for example sqlite:///srv/site/site.db")
    return value


def token(value):
    if not re.fullmatch(rf"[!-~]{{{_SHORTEST_TOKEN},}}", value):
        raise ValueError(
            f"needs at least {_SHORTEST_TOKEN} printable ASCII characters without spaces: "
            "make one with `openssl rand -hex 32`"
        )
    return value


def application(value):
    if not re.fullmatch(f"{_NAMED}:{_NAMED}", value):
        raise ValueError(f"is {value!r}: write module:name, for example wiki.code:app")
    return value


def database(value):
    if not re.fullmatch(f"{_NAMED}(:{_NAMED})?", value):
        raise ValueError(
            f"is {value!r}: write the module that is run to make the tables, for example "
            "wiki.model, or module:function"
        )
    return value


def folder(value):
    path = Path(value)
    if not path.is_absolute() or not path.is_dir():
        raise ValueError(f"is {value!r}: write the absolute path of a folder that is there")
    if not os.access(path, os.R_OK | os.X_OK):
        raise ValueError(f"is {value!r}, closed to this user: run `chmod o+rx {path}`")
    # The bundle's `app` is imported first, so `import app` never gives the application's.
    for own in (path / "app.py", path / "app"):
        if own != _PACKAGE and own.exists():
            raise ValueError(
                f"has {own}, and `import app` gives the bundle's package: rename yours"
            )
    return path


def absolute(value):
    path = Path(value)
    if not path.is_absolute():
        raise ValueError(f"is {value!r}: write the absolute path of a folder")
    return path


def networks(value):
    try:
        return tuple(ipaddress.ip_network(one) for one in value.split())
    except ValueError as error:
        raise ValueError(
            f"is {value!r} ({error}): write addresses and networks, such as 10.0.0.0/8 ::1"
        ) from None
