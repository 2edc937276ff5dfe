"""scripts/benchmark --reload: serves changed code three times under load; nothing may be lost.

Some clients send requests that take up to a sixth of the load's seconds (ten of sixty), the others
requests that take no time. Each sends its next request after the answer.
"""

import contextlib
import http.client
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.apache import Server, drain, start, wait_until_up
from scripts.lib.serving.modwsgi import module_path
from scripts.lib.serving.own_site import (
    daemon_user,
    hermetic_environment,
    make_database,
    make_folder,
    own_folder,
    sizes,
)
from scripts.lib.serving.ports import free_port

RELOADS = 3
SLOW_CLIENTS = 4
CODE = """
import time, web
from sqlobject import SQLObject, StringCol

class Note(SQLObject):
    text = StringCol(default=None)

class Index:
    def GET(self):
        time.sleep(float(web.input(seconds="0").seconds))
        return "{number}"

app = web.application(("/", "Index"), globals())
"""


@dataclass(frozen=True)
class Answer:
    """An answer: its status, 0 for none, which code gave it, and how long that took.

    began: when it was asked. waited: seconds beyond what the handler itself takes.
    """

    began: float
    status: int
    code: str
    waited: float


@dataclass(frozen=True)
class Reloads:
    """The Answers, and for each reload its exit status and when it ended."""

    answers: list
    ends: list

    @property
    def lost(self):
        """How many requests were not answered by 200."""
        return sum(answer.status != 200 for answer in self.answers)

    @property
    def old(self):
        """How many requests that came after a reload were answered by older code."""
        return sum(
            answer.began > ended and answer.status == 200 and int(answer.code) < number
            for number, (_, ended) in enumerate(self.ends, 1)
            for answer in self.answers
        )

    def is_valid(self):
        """Whether nothing was lost, and the code of each reload was served."""
        good = all(status == 0 for status, _ in self.ends)
        return good and bool(self.answers) and not self.lost and not self.old


def measure(options):
    """Load a site for the seconds of the options, and reload it meanwhile. Raises CannotRun."""
    with own_folder("site-") as folder:
        code = make_folder(folder / "code", None)
        code.chmod(0o755)
        _write(code, 0)
        data = make_folder(folder / "data", daemon_user())
        environment = hermetic_environment(folder) | {
            "DATABASE_URI": f"sqlite://{data}/site.db",
            "SITE_APPLICATION": "reloaded:app",
            "SITE_PATH": str(code),
        }
        make_database(environment)
        (folder / "run").mkdir()
        defines = {"WEBPY_ROOT": ROOT, "WEBPY_VENV": sys.prefix, "WEBPY_STATIC": "none"}
        defines |= sizes(options.processes, options.threads)
        server = Server(folder / "run", free_port(), module_path(), defines, daemon_user())
        process = start(server, environment)
        try:
            wait_until_up(server, process)
            return _load(server, code, options)
        finally:
            drain(server, process)


def _write(folder, number):
    part = folder / "new"
    part.write_text(CODE.format(number=number))
    part.replace(folder / "reloaded.py")


def _load(server, code, options):
    answers, done = [], threading.Event()
    longest = options.seconds / 6
    clients = [
        threading.Thread(target=_ask_until, args=(done, server.url, number, longest, answers))
        for number in range(options.connections)
    ]
    for client in clients:
        client.start()
    ends = []
    try:
        begin = time.monotonic()
        for number in range(1, RELOADS + 1):
            time.sleep(max(0, begin + options.seconds * number / (RELOADS + 1) - time.monotonic()))
            _write(code, number)
            ends.append((_reload(server), time.monotonic()))
        time.sleep(max(0, begin + options.seconds - time.monotonic()))
    finally:
        done.set()
        for client in clients:
            client.join()
    return Reloads(answers, ends)


def _reload(server):
    command = [sys.executable, "-P", "-m", "scripts.lib.serving.reload", "--pid-file"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pid_file = server.directory / "apache.pid"
    done = subprocess.run([*command, pid_file], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotRun(f"the reload ended with status {done.returncode}: {done.stderr}")
    return done.returncode


def _ask_until(done, address, number, longest, answers):
    choices = random.Random(number)
    while not done.is_set():
        seconds = choices.uniform(longest / 10, longest) if number < SLOW_CLIENTS else 0
        began = time.monotonic()
        try:
            status, code = _ask(address, seconds)
        except (OSError, http.client.HTTPException):
            status, code = 0, ""
        answers.append(Answer(began, status, code, time.monotonic() - began - seconds))


def _ask(address, seconds):
    # Apache may close an idle persistent connection just when it is used again.
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", f"/?seconds={seconds}", headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def table(found):
    """The lines, in Markdown, of a Reloads."""
    waits = sorted(answer.waited * 1000 for answer in found.answers)
    yield "| reloads | requests | lost | by old code | p99 ms | longest ms |"
    yield "|---|---|---|---|---|---|"
    yield (
        f"| {len(found.ends)} | {len(waits)} | {found.lost} | {found.old} "
        f"| {waits[len(waits) * 99 // 100]:.1f} | {waits[-1]:.0f} |"
    )
