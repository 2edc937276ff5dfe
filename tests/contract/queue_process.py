"""A process that writes to a SQLite database through the bundle: `started("hold", uri)`.

`hold`: begins a writing transaction, prints "begun", commits at the next line of its input.
`fork`: begins one, starts a child that lives until it is killed, and prints the child's number.
`write THREADS ROWS`: commits that many rows in each of that many threads, and prints the name of
each once it is acknowledged. A further word names what is done first: one of FIRST.
"""

import contextlib
import ctypes
import fcntl
import logging
import os
import platform
import pwd
import struct
import subprocess
import sys
import threading
import time

from app.settings import ROOT
from app.transactions import connection_for, in_transaction
from tests.contract.site import Entry

ENOLCK = 37
# https://www.kernel.org/doc/html/latest/userspace-api/seccomp_filter.html
FLOCK = {"x86_64": 73, "aarch64": 32}
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOWED, REFUSED_AS = 0x7FFF0000, 0x00050000


def queue_file(uri):
    """The path of the queue's file beside the database at `uri`."""
    return uri.removeprefix("sqlite://") + "-queue"


def is_free(file):
    """Whether nobody has the turn in the queue of `file`."""
    with contextlib.suppress(BlockingIOError), turn_taken(file):
        return True
    return False


@contextlib.contextmanager
def turn_taken(file):
    """Take the turn in the queue of `file`; raises BlockingIOError where somebody has it."""
    with open(file) as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextlib.contextmanager
def started(*arguments, **options):
    """Run this module with `arguments`; yields the Popen, which is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def hold(connection):
    raw = connection.session_for(True)
    raw.execute("INSERT INTO entry (name, number) VALUES ('held', 0)")
    print("begun", flush=True)
    if sys.stdin.readline():
        raw.commit_transaction()


def fork(connection):
    connection.session_for(True)
    child = os.fork()
    if child:
        print(child, flush=True)
    time.sleep(120)


def write(connection, threads, rows, first=None):
    def work(number):
        for row in range(int(rows)):
            name = f"{os.getpid()}-{number}-{row}"
            in_transaction(lambda: Entry(name=name).id, connection=connection)  # noqa: B023
            # In one piece, unlike print().
            sys.stdout.write(f"{name}\n")

    if first:
        FIRST[first]()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(int(threads))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def become_nobody():
    """Give up root's right to write everywhere."""
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)


def refuse_flock():
    """Have the kernel answer flock() as it does on a file system without it."""
    code = [
        (LOAD_NUMBER, 0, 0, 0),
        (JUMP_IF_EQUAL, 0, 1, FLOCK[platform.machine()]),
        (RETURN, 0, 0, REFUSED_AS | ENOLCK),
        (RETURN, 0, 0, ALLOWED),
    ]
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(instructions))
    call = ctypes.CDLL(None, use_errno=True).prctl
    long = ctypes.c_ulong
    if call(NO_NEW_PRIVILEGES, long(1), long(0), long(0), long(0)) or call(
        SET_SECCOMP, long(FILTER), program, long(0), long(0)
    ):
        raise OSError(ctypes.get_errno(), "prctl")


FIRST = {"become_nobody": become_nobody, "refuse_flock": refuse_flock}


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    command, uri, *more = sys.argv[1:]
    {"hold": hold, "fork": fork, "write": write}[command](connection_for(uri, timeout=30), *more)
