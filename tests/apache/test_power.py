"""Acknowledged writes outlive a loss of power: they are synced before the answer leaves.

A test cannot cut the power. strace shows what the daemon asks of the kernel, and in which order.
"""

import contextlib
import re
import signal
import subprocess
import time

import pytest

from scripts.lib.coherency.load.client import Client
from scripts.lib.serving.daemons import loaded_pids
from tests.apache.server import TOKEN, apache

pytestmark = pytest.mark.timeout(120)

CALLS = "fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg"
DEFINES = {"WEBPY_LAB": 1, "WEBPY_LAB_PROCESSES": 1, "WEBPY_LAB_THREADS": 1}
WRITTEN = re.compile(r"pwrite64\(\d+<[^>]*-wal>")
SYNCED = re.compile(r"f(?:data)?sync\(\d+<[^>]*-wal>")
# mod_wsgi's daemon begins its answer to Apache with the status.
ANSWERED = re.compile(r'(?:write|writev|sendto|sendmsg)\(\d+<[^>]*socket[^>]*>.*"Status: 200 ')


def events(trace):
    """What a trace's lines show of the log and the answers: "written", "synced", "answered"."""
    names = {"written": WRITTEN, "synced": SYNCED, "answered": ANSWERED}
    return [name for line in trace for name, pattern in names.items() if pattern.search(line)]


def unsynced_answers(found):
    """How many answers left while something was written to the log and not synced."""
    count, pending = 0, False
    for name in found:
        count += name == "answered" and pending
        pending = {"written": True, "synced": False}.get(name, pending)
    return count


@contextlib.contextmanager
def traced(pids, file):
    """Have strace write the system calls of these processes into `file` during the block."""
    command = [
        "strace",
        "-f",
        "-y",
        "-s",
        "64",
        "-e",
        f"trace={CALLS}",
        "-o",
        file,
        *(part for pid in pids for part in ("-p", str(pid))),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        for _ in pids:
            assert "attached" in tracer.stderr.readline()
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)


def test_a_write_on_sqlite_is_synced_before_its_answer_leaves(tmp_path):
    trace = tmp_path / "trace"
    with (
        apache(processes=1, threads=1, settings={"SITE_LAB": "1"}, defines=DEFINES) as site,
        Client(site.url, "bundle", TOKEN) as client,
    ):
        client.reset(2, 0)
        (pid,) = loaded_pids(site.process.pid, "bundle", "lab")
        with traced([pid], trace):
            for value in range(1, 11):
                assert client.transact("write", ("write", 1, value)).ok
                assert client.read("read", 1).ok
            time.sleep(0.2)
    found = events(trace.read_text(errors="replace").splitlines())
    assert found.count("answered") == 20
    assert found.count("synced") >= 10 and found.count("written") >= 10
    assert unsynced_answers(found) == 0


def test_an_answer_before_its_sync_is_seen():
    assert unsynced_answers(["written", "answered", "synced"]) == 1
    assert unsynced_answers(["written", "synced", "answered", "answered"]) == 0
    lines = [
        '9 pwrite64(7</srv/site.db-wal>, "x"..., 4096, 32) = 4096',
        '9 writev(12<UNIX-STREAM:[1->2]>, [{iov_base="Status: 200 OK"}], 1) = 14',
        "9 fdatasync(7</srv/site.db-wal>) = 0",
    ]
    assert events([line.replace("UNIX-STREAM", "socket") for line in lines]) == [
        "written",
        "answered",
        "synced",
    ]
