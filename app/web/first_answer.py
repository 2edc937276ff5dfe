"""A daemon asks itself for its first answer, and scripts/reload sees how that went.

The name of the process tells it (/proc/PID/comm, `ps -o comm`): it lasts as long as the process,
and nobody else can write it.
"""

import contextlib
import os
import sys
import threading
import traceback
from wsgiref.util import setup_testing_defaults

LOADS = "site:loads"
ANSWERS = "site:answers"
FAILS = "site:fails"


def _in_daemon():
    return bool(getattr(sys.modules.get("mod_wsgi"), "process_group", ""))


def mark(state):
    """Name this process by `state`, one of the above, if it is a daemon of mod_wsgi's."""
    if not _in_daemon():
        return
    # The file of a thread: a process that was root's may not write that of the process.
    path = f"/proc/self/task/{os.getpid()}/comm"
    with contextlib.suppress(OSError), open(path, "w") as file:
        file.write(state)


@contextlib.contextmanager
def loading():
    """Mark the process while it imports the application, and where that raises."""
    mark(LOADS)
    try:
        yield
    except BaseException:
        mark(FAILS)
        raise


def begin(application):
    """Have a daemon ask the WSGI `application` in a new thread, so that nobody waits for it."""
    if _in_daemon():
        threading.Thread(target=ask, args=(application,), daemon=True).start()


def ask(application):
    """Ask the WSGI `application` for its first page; mark the process.

    Returns whether the answer is good: its status is below 500. stderr tells of a bad one.
    """
    try:
        status = _status(application)
    except BaseException:
        traceback.print_exc()
        status = "no answer"
    good = status < "5"
    if not good:
        print(f"the first answer of this process is {status}", file=sys.stderr)
    mark(ANSWERS if good else FAILS)
    return good


def _status(application):
    environ = {"PATH_INFO": "/", "QUERY_STRING": "", "SCRIPT_NAME": ""}
    environ |= {"REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": "the process itself"}
    setup_testing_defaults(environ)
    environ["wsgi.errors"] = sys.stderr
    statuses = []

    def start_response(status, _headers, _error=None):
        statuses.append(status)
        return lambda _data: None

    body = application(environ, start_response)
    try:
        for _ in body:
            pass
    finally:
        if hasattr(body, "close"):
            body.close()
    return statuses[-1]
