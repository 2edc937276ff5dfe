"""app.transactions changes in SQLObject and web.py what its lists say, and only on demand."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from app.transactions import patches, web_sessions

PATCHED = Path(__file__).parent / "patched.py"
LISTS = {"SQLObject": patches.PATCHES, "web.py": web_sessions.PATCHES}
ALL = [patch for listed in LISTS.values() for patch in listed]


def patched(*arguments):
    """Return what patched.py prints, in its own process."""
    command = [sys.executable, PATCHED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def name_of(patch):
    if isinstance(patch.owner, dict):
        return f"converters.{patch.attribute.__name__}"
    return f"{patch.owner.__qualname__}.{patch.attribute}"


def test_an_import_of_all_modules_changes_nothing():
    assert patched("import") == []


def test_installing_changes_what_the_lists_say_and_nothing_else():
    assert patched("install") == sorted(map(name_of, ALL))


@pytest.mark.parametrize("package", LISTS)
def test_each_change_has_a_reason_and_was_tried_with_the_version_that_is_installed(package):
    for patch in LISTS[package]:
        assert patch.reason
        assert version(package) in patch.tried_with


# Python itself has the first one; `user` and a converter are looked for elsewhere.
REMOVABLE = [
    patch
    for patch in ALL
    if patch.attribute != "__getstate__" and not patch.user and isinstance(patch.owner, type)
]


@pytest.mark.parametrize("patch", REMOVABLE, ids=name_of)
def test_an_attribute_that_is_missing_stops_with_a_message_and_nothing_of_its_package_is_changed(
    patch,
):
    owner, package = patch.owner, "SQLObject" if patch in patches.PATCHES else "web.py"
    told = patched("without", owner.__module__, owner.__qualname__, patch.attribute)
    pinned = f"{package}=={version(package)}"
    assert told["error"] == "PatchError"
    assert told["says"] == (
        f"{package} {version(package)} has no {patch.attribute}: install {pinned}"
    )
    of_others = {name_of(other) for name in LISTS if name != package for other in LISTS[name]}
    assert set(told["changed"]) <= of_others


def other_function():
    """As in a later version of SQLObject that no longer sets the attribute."""


@pytest.mark.parametrize("patch", [patch for patch in ALL if patch.user], ids=name_of)
def test_an_attribute_that_sqlobject_no_longer_sets_is_missed(patch):
    assert patch.is_possible()
    assert not patch._replace(user=other_function).is_possible()
