"""How the lab's client understands an answer: acknowledged, certainly not done, or unknown."""

import json
import socket
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from scripts.lib.coherency.load.client import Client
from scripts.lib.coherency.load.leaving import Leaving
from scripts.lib.command import CannotRun
from scripts.lib.serving.ports import free_port

PROBLEM = "application/problem+json"
UNKNOWN = {"status": 503, "type": "/problems/outcome-unknown"}
SERVED_BY = {"host": "here", "process": 7, "thread": 9}
WRITE = ("write", 1, 5)


@contextmanager
def answering(status, kind, body):
    """The address of a server that gives every request this answer; None breaks the connection."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if status is None:
                return
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST

        def log_message(self, *arguments):
            """Print nothing into the tests' output."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((500, PROBLEM, {"status": 500}), "info"),
        ((502, "text/html", "bad gateway"), "info"),
        ((503, "text/html", "no daemon"), "info"),
        ((503, PROBLEM, UNKNOWN), "info"),
        ((503, PROBLEM, {"status": 503, "type": "about:blank"}), "fail"),
        ((409, PROBLEM, {"status": 409}), "fail"),
        ((None, None, None), "info"),
    ],
)
def test_a_write_is_undone_only_if_the_answer_says_so(answer, expected):
    with answering(*answer) as url, Client(url, "bundle", "t", client=3) as client:
        operation = client.transact("f", WRITE, ("read", 1))
        assert (operation.type, operation.client) == (expected, 3)
        assert operation.value == (WRITE, ("read", 1, None))
        later = client.transact("f", WRITE)
        assert (later.client == 3) is (expected == "fail")
        assert later.session == 3
        assert client.history == [operation, later]


def test_a_read_without_an_answer_has_failed():
    with answering(500, PROBLEM, {}) as url, Client(url, "bundle", "t") as client:
        assert client.read("f", 1).type == "fail"
        assert client.transact("f", ("read", 1)).type == "fail"


def test_a_refused_connection_is_a_failure():
    with Client(f"http://127.0.0.1:{free_port()}", "bundle", "t") as client:
        assert client.transact("f", WRITE).type == "fail"


def test_a_request_that_its_client_leaves_is_of_unknown_outcome():
    """Some are sent as a whole, and of some the last byte is missing."""
    leaving = Leaving()
    came = []

    def listen():
        for _ in range(8):
            connection, _ = listener.accept()
            with connection:
                came.append(b"".join(iter(partial(connection.recv, 10_000), b"")))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url, "bundle", "t", leaving=leaving) as client, leaving.by(1) as left:
            assert {client.transact("f", WRITE).type for _ in range(7)} == {"info"}
            assert client.read("f", 1).type == "fail"
            assert left() == 8
        thread.join()
    whole = [request.endswith(b"}") for request in came[:7]]
    assert 0 < sum(whole) < 7


def test_a_client_leaves_only_when_told_and_before_its_answer():
    leaving = Leaving()
    body = {"values": {"1": 4}, "served_by": SERVED_BY}
    with (
        answering(200, "application/json", body) as url,
        Client(url, "bundle", "t", leaving=leaving) as client,
    ):
        assert client.read("f", 1).ok
        with leaving.by(0) as left:
            assert client.read("f", 1).ok
        assert left() == 0


def test_an_acknowledged_operation_has_what_was_read_and_who_served_it():
    body = {"operations": [["append", 1, 5], ["read", 1, [4, 5]]], "served_by": SERVED_BY}
    body["runs"] = 3
    with answering(200, "application/json", body) as url, Client(url, "bundle", "t") as client:
        operation = client.transact("f", ("append", 1, 5), ("read", 1))
        assert operation.value == (("append", 1, 5), ("read", 1, (4, 5)))
        assert (operation.type, operation.host, operation.pid, operation.thread) == (
            "ok",
            "here",
            7,
            9,
        )
        assert operation.runs == 3
        assert operation.t0 <= operation.t1


def test_a_get_has_the_value_of_each_key():
    body = {"values": {"1": 4, "2": [5]}, "served_by": SERVED_BY}
    with answering(200, "application/json", body) as url, Client(url, "bundle", "t") as client:
        assert client.read("f", 1, 2).value == (("read", 1, 4), ("read", 2, (5,)))


def test_a_reset_that_is_not_done_is_an_error():
    with (
        answering(401, PROBLEM, {}) as url,
        Client(url, "bundle", "t") as client,
        pytest.raises(CannotRun, match="401"),
    ):
        client.reset(1, 0)


@pytest.mark.parametrize("answer", [("text/html", "ok"), ("application/json", {"x": 1})])
def test_a_site_that_answers_everything_is_not_taken_for_the_lab(answer):
    with (
        answering(200, *answer) as url,
        Client(url, "bundle", "t") as client,
        pytest.raises(CannotRun, match="--url"),
    ):
        client.reset(1, 0)
