"""The daemon processes of one group: finding them, and replacing them one after the other.

A group is known by the title of its processes: `(wsgi:NAME)` of a site's readers, `(post:NAME)` of
its writers, and in the lab `(lab:MODE)`.
Each one gets SIGUSR1, lets its requests end while the others take new ones, and is replaced by
Apache; the next follows when the replacement has loaded the application. So no request is lost or
waits for the application to load. Old and new code serve side by side meanwhile.
"""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from scripts.lib.command import CannotRun

# Only that much of a title fits into the place of `/usr/sbin/apache2` in the process's memory.
LONGEST_TITLE = 17


def _title(pid):
    # mod_wsgi fills a shorter title up with blanks.
    first = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    return first.decode(errors="replace").rstrip(" ")


def _parent(pid):
    # Field 4 of proc(5); the command in field 2 may itself contain blanks and brackets.
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _titles(parent):
    """{process id: title} of the processes below the Apache with pid `parent`."""
    titles = {}
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        # Processes end while they are looked at.
        with contextlib.suppress(OSError, IndexError):
            if _parent(entry) == parent:
                titles[int(entry)] = _title(entry)
    return titles


def daemon_pids(parent, name, kind="wsgi"):
    """The process ids of the daemons titled `(kind:name)` below the Apache with pid `parent`."""
    return {pid for pid, title in _titles(parent).items() if title == f"({kind}:{name})"}


def groups(parent):
    """The pairs of kind and name of all daemons' groups below the Apache with pid `parent`."""
    found = (re.fullmatch(r"\((\w+):(.+)\)", title) for title in _titles(parent).values())
    return {(match[1], match[2]) for match in found if match}


def site_groups(parent, name):
    """The sorted groups that serve the site called `name` below the Apache with pid `parent`."""
    return sorted((kind, found) for kind, found in groups(parent) if found == name)


def loaded_pids(parent, name, kind="wsgi"):
    """Those of daemon_pids that have loaded the application."""
    return {pid for pid in daemon_pids(parent, name, kind) if _ready(pid)}


def _wait(condition, seconds, complaint):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CannotRun(f"{complaint} within {seconds} s")
        time.sleep(0.02)


def _ready(pid):
    # A daemon loads the application in its first thread and starts the others afterwards. If the
    # application itself starts a thread while it is loaded, the next daemon is replaced too early:
    # requests then wait, but none is lost.
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except FileNotFoundError:
        return False


def _replace(group, pid, seconds):
    before = daemon_pids(*group)
    try:
        os.kill(pid, signal.SIGUSR1)
    except ProcessLookupError:
        # It has ended by itself since the group was listed, so Apache replaces it anyway.
        return
    _wait(
        lambda: pid not in daemon_pids(*group),
        seconds,
        f"process {pid} did not end its requests",
    )
    _wait(
        lambda: loaded_pids(*group) - before,
        seconds,
        f"the replacement of process {pid} did not load the application",
    )


def roll(parent, name, seconds=120, kind="wsgi"):
    """Replace the daemons titled `(kind:name)` below the Apache `parent`, one after the other.

    seconds: how long one daemon may take to end its requests, and its replacement to load. Returns
    how many were replaced. Raises CannotRun if there is none, or one takes longer.
    """
    group = (parent, name, kind)
    pids = sorted(daemon_pids(*group))
    if not pids:
        raise CannotRun(f"the Apache with process id {parent} has no daemon named {name}")
    for pid in pids:
        _replace(group, pid, seconds)
    return len(pids)


def roll_site(parent, name):
    """Replace all daemons of the site called `name`, as `roll` does; returns how many."""
    found = site_groups(parent, name)
    if not found:
        raise CannotRun(f"the Apache with process id {parent} has no daemon named {name}")
    return sum(roll(parent, name, kind=kind) for kind, name in found)
