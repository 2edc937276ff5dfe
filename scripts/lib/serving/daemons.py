"""The daemon processes of one group: finding them, and replacing them one after the other.

A group is known by the title of its processes: `(wsgi:NAME)` for a site's reading requests,
`(post:NAME)` for its writing requests, and in the lab `(lab:MODE)`.
Each process gets SIGTERM, takes no more requests, and finishes those that it has, while the others
take new ones (shutdown-timeout in apache/site.conf). Then Apache replaces it. After SIGUSR1 it
would go on taking requests until it has none, which never happens under load. The next one follows
when the replacement has answered (app/web/first_answer.py), or, if its script does not tell that,
has loaded. So no request is lost or waits for the application to load. Meanwhile old and new code
serve side by side.

mod_wsgi writes a title over the first word of Apache's command line and cuts it to its length:
where Apache was started as `apache2`, `(wsgi:webpy-site)` is `(wsgi:w`.
"""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from app.web.first_answer import ANSWERS, FAILS, LOADS
from scripts.lib.command import FAILED, CannotRun
from scripts.lib.serving.daemon_log import said_by

# The place of `/usr/sbin/apache2` in the process's memory has room for this many characters.
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


def _room(parent):
    """How many bytes a title can have below the Apache with pid `parent`."""
    return len(Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")[0])


def daemon_pids(parent, name, kind="wsgi"):
    """The process ids of the daemons titled `(kind:name)` below the Apache with pid `parent`.

    If titles are cut, groups whose titles begin alike count as one.
    """
    try:
        wanted = f"({kind}:{name})"[: _room(parent)]
    except FileNotFoundError:
        return set()
    return {pid for pid, title in _titles(parent).items() if title == wanted}


def groups(parent):
    """The pairs of kind and name of all daemons' groups below the Apache with pid `parent`.

    A cut title gives a cut name.
    """
    found = (re.fullmatch(r"\((\w+):(.+?)\)?", title) for title in _titles(parent).values())
    return {(match[1], match[2]) for match in found if match}


def site_groups(parent, name):
    """The sorted groups that serve the site called `name` below the Apache with pid `parent`."""
    room = _room(parent)
    return sorted(
        (kind, name)
        for kind, cut in groups(parent)
        if cut == name or (name.startswith(cut) and len(f"({kind}:{cut}") == room)
    )


def loaded_pids(parent, name, kind="wsgi"):
    """Those of daemon_pids that have loaded the application, and answer if they can tell."""
    return {pid for pid in daemon_pids(parent, name, kind) if _is_up(pid)}


def _wait(condition, seconds, complaint):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise _failed(f"{complaint} within {seconds} s")
        time.sleep(0.02)


def _failed(text):
    return CannotRun(f"{text}: put the old code back or correct it, and reload again", FAILED)


def _state(pid):
    """What the process says of itself, or ""."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _is_up(pid):
    state = _state(pid)
    if state in (LOADS, ANSWERS, FAILS):
        return state == ANSWERS
    # A daemon loads the application in its first thread and starts the others afterwards.
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    return False


def _has_come(group, before):
    """Whether a daemon that is not in `before` is up. Raises CannotRun if one fails."""
    new = daemon_pids(*group) - before
    for pid in new:
        if _state(pid) == FAILS:
            # Time for its last words in the log.
            time.sleep(0.2)
            raise _failed(
                f"the new process {pid} does not answer, and the reload has stopped; the processes"
                f" that are not yet replaced serve the old code\n{said_by(pid)}"
            )
    return any(map(_is_up, new))


def _replace(group, pid, seconds):
    before = daemon_pids(*group)
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        # It has ended by itself since the group was listed, so Apache replaces it anyway.
        return
    _wait(
        lambda: pid not in daemon_pids(*group),
        seconds,
        f"process {pid} did not end its requests",
    )
    _wait(
        lambda: _has_come(group, before),
        seconds,
        f"the replacement of process {pid} did not answer",
    )


def roll(parent, name, seconds=120, kind="wsgi"):
    """Replace the daemons titled `(kind:name)` below the Apache `parent`, one after the other.

    seconds: how long one daemon may take to end its requests, and its replacement to answer.
    Returns how many were replaced. Raises CannotRun if there is none; with the status FAILED, and
    what the log has of it, if a replacement does not answer.
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
