"""Locust's processes: one that does everything, or a master with workers."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from scripts.lib.command import ROOT
from scripts.lib.serving.ports import free_port

LOCUSTFILE = Path(__file__).parent / "locustfile.py"
# Within these the users end their requests and delete what they created.
SECONDS_TO_STOP = 60
# Within these the workers connect: those started here, and those started by hand elsewhere.
SECONDS_TO_START = 60
SECONDS_TO_JOIN = 600


def environment(folder, token, prefix, options):
    """The environment of Locust's processes: of the caller's variables only PATH.

    Locust also takes options from variables and from files in the home folder. Your own
    --locustfile also gets the caller's variables that are not Locust's.
    """
    return _for_locustfile(options) | {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "SITE_API_TOKEN": token,
        "LOADTEST_RUN": str(folder),
        "LOADTEST_PREFIX": prefix,
        "LOADTEST_LAB": options.lab or "",
        "LOADTEST_PATHS": json.dumps(options.path) if options.path else "",
        "LOADTEST_KEYS": str(options.keys),
        "LOADTEST_PROCESSES": str(max(1, options.workers)),
    }


def _for_locustfile(options):
    if not options.locustfile:
        return {}
    own = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    return own | {"LOADTEST_LOCUSTFILE": str(options.locustfile.absolute())}


def run_locust(folder, url, variables, options):
    """Load the site as the options say, until the time is over or Ctrl-C; returns nothing.

    What Locust writes is in `folder`: totals.json, its HTML report, CSV files and log. With
    `options.join` there is one worker, and all but the log is where its master is.
    """
    command = [sys.executable, "-P", "-m", "locust", "-f", LOCUSTFILE, "--host", url]
    where = {"cwd": folder, "env": variables, "stdin": subprocess.DEVNULL}
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(folder / "locust.log", "ab"))
        where |= {"stdout": log, "stderr": log}
        if options.join:
            _wait(_started([*command, *_worker(options.join)], where, stack))
            return
        here = options.listen or ("127.0.0.1", free_port())
        distribution = _master(here, options) if options.workers else []
        main = _started([*command, *_load(options), *distribution], where, stack)
        for _ in range(0 if options.listen else options.workers):
            _started([*command, *_worker(here)], where, stack)
        _wait(main)


def _master(here, options):
    """Locust's options for a master at `here`, a host and a port."""
    seconds = SECONDS_TO_JOIN if options.listen else SECONDS_TO_START
    return [
        *("--master", "--master-bind-host", here[0], "--master-bind-port", str(here[1])),
        *("--expect-workers", str(options.workers), "--expect-workers-max-wait", str(seconds)),
    ]


def _worker(master):
    """Locust's options for a worker of the master there."""
    return ["--worker", "--master-host", master[0], "--master-port", str(master[1])]


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
    """Start a process that ends with `stack`, and with this process if this one is killed.

    In its own session it gets no Ctrl-C from the terminal: this process stops it.
    """
    guard = ["setpriv", "--pdeathsig", "TERM"]
    process = subprocess.Popen([*guard, *command], start_new_session=True, **where)
    stack.callback(_end, process)
    return process


def _wait(main):
    """Wait for Locust; on Ctrl-C let it finish. A second Ctrl-C ends it."""
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
