"""The application and its database as a daemon has them, looked at in their own process."""

import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from typing import NamedTuple

from app.check.findings import WRONG, Finding
from app.check.policy import policy_of
from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.apache import SITE_CONF, WITHHELD

PARTS = ("application", "database")
# Seconds for the database, after those for the import; its own limits are shorter.
MORE_SECONDS = 60
MOST_SHOWN = 20


def _of_a_daemon(environment):
    """The variables of `environment` that a daemon has, with those that mod_wsgi sets."""
    remaining = {name: value for name, value in environment.items() if name not in WITHHELD}
    home = pwd.getpwuid(os.getuid()).pw_dir
    return remaining | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": home}


class Looked(NamedTuple):
    """What was found, and whether a daemon could load the application."""

    findings: list
    loads: bool


def look(part, environment, seconds=30, policy=None):
    """Return what was Looked at in `part`, one of PARTS.

    `environment`: the variables with which Apache is started. `seconds`: how long the import may
    take. `policy`: the Content-Security-Policy; that of apache/site.conf by default. Raises
    CannotRun where a setting is wrong.
    """
    with tempfile.TemporaryFile("w+") as report, tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, "-m", "app.check", part, "--report", str(report.fileno())]
        command += ["--seconds", str(seconds), "--policy", policy or policy_of(SITE_CONF)]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_of_a_daemon(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[report.fileno()],
            start_new_session=True,
        )
        try:
            status = process.wait(seconds + MORE_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            # The group, because the application may have started processes.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        report.seek(0)
        output.seek(0)
        found = [Finding(*json.loads(line)) for line in report]
        said = output.read().strip()
    if status == 2 and said.startswith("error: "):
        raise CannotRun(said.removeprefix("error: "))
    return Looked(found or [_nothing_reported(part, status, said)], status == 0)


def refuse_what_does_not_load(environment):
    """Look at the application before Apache is started, and tell what would be served wrongly.

    `environment` as for `look`. Raises CannotRun where no daemon could load the application.
    """
    looked = look("application", environment)
    wrong = [str(one) for one in looked.findings if one.level == WRONG]
    if not looked.loads:
        raise CannotRun("the application does not load\n" + "\n".join(wrong))
    if wrong:
        print(*wrong, "scripts/check tells everything", sep="\n", file=sys.stderr, flush=True)


def _nothing_reported(part, status, said):
    last = "\n".join(said.splitlines()[-MOST_SHOWN:])
    if status is None:
        return Finding(WRONG, f"the {part} could not be checked in time {last}")
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return Finding(WRONG, f"the process that checks the {part} ended with {how} {last}")
