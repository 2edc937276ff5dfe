"""What a user of the load test sends when a server closes connections without an answer.

Locust patches the sockets of a process that imports it, so it runs in another process here.
"""

import contextlib
import socket
import subprocess
import sys
import threading

import pytest

from scripts.lib.command import ROOT

USER = """
import sys
from locust.env import Environment
from scripts.lib.loadtest.exchange import CheckedUser

class User(CheckedUser):
    host = sys.argv[1]

user = User(Environment())
for method in sys.argv[2:]:
    print(user.exchange(method, "/", "/", lambda answer: None).status)
"""


@contextlib.contextmanager
def closing_server(answers):
    """A server that closes each connection after this many answers; yields (URL, methods seen)."""
    seen = []

    def serve(connection):
        with connection, connection.makefile("rwb") as stream:
            for number in range(answers + 1):
                head = list(iter(lambda: stream.readline().strip(), b""))
                if not head:
                    return
                seen.append(head[0].split()[0].decode())
                if number < answers:
                    stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    stream.flush()

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        listener.shutdown(socket.SHUT_RDWR)


def statuses(url, *methods):
    """The statuses with which a user's requests are answered; 0 for no answer."""
    environment = {"PYTHONPATH": str(ROOT), "SITE_API_TOKEN": "token", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-P", "-c", USER, url, *methods]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [int(line) for line in run.stdout.split()]


@pytest.mark.timeout(60)
def test_a_read_on_a_connection_that_was_closed_meanwhile_is_repeated():
    with closing_server(1) as (url, seen):
        assert statuses(url, "GET", "GET", "GET") == [200, 200, 200]
    assert seen == ["GET"] * 5


@pytest.mark.timeout(60)
def test_a_write_has_a_new_connection_and_is_not_repeated():
    with closing_server(1) as (url, seen):
        assert statuses(url, "POST", "POST", "DELETE") == [200, 200, 200]
    assert seen == ["POST", "POST", "DELETE"]
    with closing_server(0) as (url, seen):
        assert statuses(url, "POST") == [0]
    assert seen == ["POST"]


@pytest.mark.timeout(60)
def test_a_read_that_is_never_answered_fails_after_its_repetition():
    with closing_server(0) as (url, seen):
        assert statuses(url, "GET") == [0]
    assert seen == ["GET"] * 2
