"""A script that is told to stop, in whatever way, leaves no process and no file behind."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from scripts.lib.command import ROOT
from tests.apache.server import pypi_module

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SIZES = ["--processes", "1", "--threads", "2"]
COHERENCY = ["scripts/coherency", *SIZES, "--clients", "2", "--workloads", "counter"]
BENCHMARK = ["scripts/benchmark", *SIZES, "--routes", "row", "--modes", "bundle"]
LOADTEST = ["scripts/loadtest", *SIZES, "--users", "2"]


@pytest.fixture
def folder():
    """A folder for temporary files that every user can write, by a path fit for sockets."""
    with tempfile.TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o777)
        yield Path(name)


@contextlib.contextmanager
def started(command, folder):
    """Run a script of the checkout with `folder` for its temporary files; yields the process."""
    process = subprocess.Popen(
        # Whoever runs the tests may have SIGHUP ignored, as by nohup.
        ["env", "--default-signal=HUP", *command], cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: any("apache2" in line for line in processes_of(folder)))
        time.sleep(4)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def processes_of(folder):
    """The command lines of processes that use the folder, or were given it."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


def alive_in(group):
    """The states of the processes of a process group that have not ended."""
    command = ["ps", "-eo", "pgid=,stat="]
    listed = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    states = [state for number, state in map(str.split, listed) if int(number) == group]
    return [state for state in states if not state.startswith("Z")]


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
@pytest.mark.parametrize(
    ("command", "number"),
    [
        (COHERENCY, signal.SIGTERM),
        (BENCHMARK, signal.SIGHUP),
        (LOADTEST, signal.SIGHUP),
    ],
    ids=["coherency", "benchmark", "loadtest"],
)
def test_what_a_script_has_started_ends_with_it(command, number, engine, folder, request):
    request.getfixturevalue(f"{engine}_server")
    pypi_module()
    command = [*command, "--seconds", "100", "--database", engine]
    with started(command, folder) as process:
        os.kill(process.pid, number)
        # The processes that it has started hold its standard error open as long as they run.
        _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    wait_until(lambda: not processes_of(folder))
    assert list(folder.iterdir()) == []


def test_clients_end_even_if_the_experiment_is_killed(folder):
    pypi_module()
    with started([*COHERENCY, "--modes", "bundle", "--seconds", "100"], folder) as process:
        process.kill()
        process.communicate(timeout=60)
        wait_until(lambda: not alive_in(process.pid))
