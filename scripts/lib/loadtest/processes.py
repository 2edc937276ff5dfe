"""Locust's processes: one that does everything, or a master with workers."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from scripts.lib.apache import ROOT
from scripts.lib.ports import free_port

LOCUSTFILE = Path(__file__).parent / "locustfile.py"
# For the users to end their requests and to delete what they made.
SECONDS_TO_STOP = 60


def environment(folder, token, prefix, options):
    """The environment of Locust's processes: nothing of the caller's but PATH.

    Locust takes options from variables and from files in the home folder too.
    """
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "SITE_API_TOKEN": token,
        "LOADTEST_RUN": str(folder),
        "LOADTEST_PREFIX": prefix,
        "LOADTEST_LAB": options.lab or "",
        "LOADTEST_KEYS": str(options.keys),
        "LOADTEST_PROCESSES": str(max(1, options.workers)),
    }


def run_locust(folder, url, variables, options):
    """Load the site as the options say, until the time is over or Ctrl-C; returns nothing.

    What Locust writes is in `folder`: totals.json, its HTML report, CSV files and log.
    """
    command = [sys.executable, "-P", "-m", "locust", "-f", LOCUSTFILE, "--host", url]
    where = {"cwd": folder, "env": variables, "stdin": subprocess.DEVNULL}
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(folder / "locust.log", "ab"))
        where |= {"stdout": log, "stderr": log}
        distribution = []
        if options.workers:
            port = free_port()
            distribution = ["--master", "--master-bind-host", "127.0.0.1"]
            distribution += ["--master-bind-port", str(port)]
            distribution += ["--expect-workers", str(options.workers)]
            distribution += ["--expect-workers-max-wait", "60"]
        main = _started([*command, *_load(options), *distribution], where, stack)
        for _ in range(options.workers):
            joined = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
            _started([*command, *joined], where, stack)
        _wait(main)


def _load(options):
    """Locust's options for what the master, or the only process, decides and writes."""
    users = str(options.users)
    chosen = ["--users", users, "--spawn-rate", users, "--stop-timeout", str(SECONDS_TO_STOP)]
    chosen += ["--only-summary", "--html", "locust.html", "--csv", "locust"]
    if options.web:
        page = ["--web-host", "127.0.0.1", "--web-port", str(options.web_port)]
        return [*chosen, "--autostart", *page]
    return [*chosen, "--headless", "--run-time", f"{options.seconds}s"]


def _started(command, where, stack):
    """Start a process that ends with `stack`, and with this one if that is killed.

    In a session of its own it gets no Ctrl-C from the terminal: it would be told twice.
    """
    guard = ["setpriv", "--pdeathsig", "TERM"]
    process = subprocess.Popen([*guard, *command], start_new_session=True, **where)
    stack.callback(_end, process)
    return process


def _wait(main):
    """Wait for Locust; on Ctrl-C let it come to its end in order. A second Ctrl-C ends it."""
    try:
        main.wait()
    except KeyboardInterrupt:
        print("stopping: the users end their requests", file=sys.stderr)
        main.send_signal(signal.SIGINT)
        main.wait(SECONDS_TO_STOP + 15)


def _end(process):
    """End a process that should have ended by now."""
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
