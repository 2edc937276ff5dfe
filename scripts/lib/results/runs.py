"""A folder for what one run of a script leaves behind, and what to note in it of the machine."""

import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
import time
from importlib.metadata import version

from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.databases import mariadb_programs, postgres_binaries


def new_run(parent):
    """Create a run's folder below `parent`, point `latest` there to it, and return its path.

    It is named by the time; a second run within the second gets a number behind it.
    Raises CannotRun.
    """
    try:
        return _new_run(parent)
    except OSError as error:
        raise CannotRun(
            f"the run's folder cannot be created ({error}): let this user write to {parent}"
        ) from None


def _new_run(parent):
    parent.mkdir(parents=True, exist_ok=True)
    name = started = time.strftime("%Y%m%d-%H%M%S")
    number = 1
    while not _made(parent / name):
        number += 1
        name = f"{started}-{number}"
    latest = parent / f"latest.{os.getpid()}"
    latest.symlink_to(name)
    os.replace(latest, parent / "latest")
    return parent / name


def _made(folder):
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def described(script, packages, **further):
    """What was run, as a dict of name to text or number.

    script: its name from the checkout, such as "scripts/benchmark"; packages: names of those of
    the environment whose versions matter; further: whatever else the run was configured by.
    """
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": _commit(),
        "command": " ".join([script, *sys.argv[1:]]),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "processors": os.cpu_count(),
        **further,
    }


def engine_version(engine):
    """What runs for `engine`, "sqlite" or one of SERVERS, as its name with the version."""
    if engine == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    postgres = engine == "postgres"
    program = postgres_binaries() / "postgres" if postgres else mariadb_programs()[0]
    run = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+", run.stdout)
    return f"{'PostgreSQL' if postgres else 'MariaDB'} {found[0]}"


def described_lines(description):
    """The description as lines of a Markdown list."""
    return [f"- {name}: {value}" for name, value in description.items()]


def write_json(path, value):
    """Write `value` as JSON that people can read, too, to the file at `path`."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _commit():
    command = ["git", "-C", ROOT, "describe", "--always", "--dirty"]
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return run.stdout.strip() or "unknown"
