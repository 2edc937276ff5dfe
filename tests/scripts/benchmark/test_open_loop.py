"""The open loop's client against servers that stall, close and fail; its table and its plot."""

import contextlib
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

import pytest

from scripts.lib.benchmark.load import Route
from scripts.lib.benchmark.open_loop import CLIENT, Measured, Tail, send, table
from scripts.lib.benchmark.report import rows, write_results
from scripts.lib.serving.ports import free_port

READS = Route("reads", "/read")
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
CLOSES = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
NO_LENGTH = b"HTTP/1.1 200 OK\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
DESCRIPTION = {"date": "2026-11-26 10:00:00 +0000", "database": "SQLite", "served by": "2 x 2"}


class Server(socketserver.ThreadingTCPServer):
    """Answers with the bytes of `answer(number, nth)`; None closes the connection instead.

    number: of the request. nth: its place on its connection, from 1.
    """

    allow_reuse_address = daemon_threads = True
    request_queue_size = 200

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.asked, self.connections = answer, [], 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.connections += 1
        nth = 0
        while line := self.rfile.readline():
            while self.rfile.readline() != b"\r\n":
                pass
            self.server.asked.append(line.split()[:2])
            nth += 1
            answer = self.server.answer(len(self.server.asked), nth)
            if answer is None:
                return
            # In two pieces, as a network may bring it.
            self.wfile.write(answer[:9])
            self.wfile.write(answer[9:])
            if answer in (CLOSES, NO_LENGTH):
                return


@contextlib.contextmanager
def server(answer):
    with Server(answer) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        try:
            yield made
        finally:
            made.shutdown()


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED, CLOSES, NO_LENGTH])
def test_each_request_of_the_rate_is_sent_and_answered(answer):
    with server(lambda *_: answer) as made:
        found = send(made.url, READS, 100, 0.5)
    assert (found.sent, len(made.asked), found.errors) == (50, 50, {})
    assert made.asked[0] == [b"GET", b"/read"]
    assert 0 < found.p50 <= found.p99 <= found.p999 <= found.worst


def test_as_many_of_a_hundred_requests_write_as_the_route_says():
    with server(lambda *_: LENGTH) as made:
        send(made.url, Route("mix", "/read", writes=10), 200, 0.5)
    assert made.asked.count([b"POST", b"/write"]) == 10
    assert made.asked.count([b"GET", b"/read"]) == 90


def test_a_stall_counts_for_all_who_would_have_come_in_it():
    """In a closed loop only one request would have waited."""
    until = []

    def stalled(*_):
        until.append(time.monotonic() + 1) if not until else None
        time.sleep(max(0, until[0] - time.monotonic()))
        return LENGTH

    with server(stalled) as made:
        found = send(made.url, READS, 100, 1)
    assert found.p50 > 400
    assert found.worst > 900


def test_with_all_connections_in_use_a_request_waits_in_the_client_and_that_counts():
    def slow(*_):
        time.sleep(0.1)
        return LENGTH

    with server(slow) as made:
        arguments = ["127.0.0.1", str(made.server_address[1]), "/read", "0", "100", "0.2", "2"]
        done = subprocess.run(
            [sys.executable, CLIENT, *arguments], capture_output=True, check=True
        )
    assert made.connections == 2
    # The last of 20 requests, two at a time, is due after 0.2 s and answered after 1 s.
    assert json.loads(done.stdout)["worst"] > 700


@pytest.mark.parametrize(("answer", "told"), [(BUSY, "503"), (None, "closed")])
def test_an_answer_of_an_error_and_an_end_without_one_are_errors(answer, told):
    with server(lambda *_: answer) as made:
        assert send(made.url, READS, 50, 0.2).errors == {told: 10}


def test_a_request_on_a_connection_that_was_just_closed_is_sent_again():
    """Apache closes idle connections when all its threads are busy."""
    with server(lambda _, nth: LENGTH if nth < 3 else None) as made:
        found = send(made.url, READS, 50, 0.6)
    assert (found.sent, found.errors) == (30, {})
    assert len(made.asked) > 30


def test_without_a_server_each_request_is_an_error():
    found = send(f"http://127.0.0.1:{free_port()}", READS, 50, 0.2)
    assert found.sent == 10 and sum(found.errors.values()) == 10


def test_a_client_that_could_not_keep_its_schedule_says_so():
    with server(lambda *_: LENGTH) as made:
        arguments = ["127.0.0.1", str(made.server_address[1]), "/read", "0", "100", "1.5", "8"]
        command = [sys.executable, CLIENT, *arguments]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        while not made.asked:
            time.sleep(0.01)
        os.kill(client.pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(client.pid, signal.SIGCONT)
        found = Measured(**json.loads(client.communicate()[0]))
    assert found.late > 30 and found.lateness > 200
    assert not found.on_schedule


def measured(p50, late=0, errors=0):
    times = {"p50": p50, "p99": p50 * 2, "p999": p50 * 3, "worst": p50 * 4}
    failed = {"503": errors} if errors else {}
    return Measured(
        sent=1000, rate=99, errors=failed, late=late, lateness=late, busy=0.1, **times
    )  # fmt: skip


TAILS = [
    Tail("row", "default", 25, 100, [measured(1), measured(2), measured(30, errors=4)]),
    Tail("row", "bundle", 25, 150, [measured(3), measured(3), measured(3, late=2)]),
]


def test_the_table_has_medians_the_worst_of_all_and_who_was_late():
    lines = list(table(TAILS))
    assert "| one row by id | default | 25 % | 100 | 2.0 | 4.0 | 6.0 | 120.0 | 4 |" in lines
    assert "| one row by id | bundle | 25 % | 150 (!) | 3.0 | 6.0 | 9.0 | 12.0 | 0 |" in lines
    assert lines[-1].startswith("(!) The client could not keep its schedule")
    assert not any("(!)" in line for line in table(TAILS[:1]))


def test_a_plot_for_each_route_and_the_figures_of_each_round_are_saved(tmp_path):
    write_results(tmp_path, DESCRIPTION, rows({}), TAILS)
    shown = {element.text for element in ElementTree.parse(tmp_path / "tail-row.svg").iter()}
    assert {"p99.9", "worst", "default", "bundle", "requests/s"} <= shown
    assert any("hollow" in text for text in shown if text)
    saved = json.loads((tmp_path / "results.json").read_text())["open loop"]
    assert saved[0]["rounds"][2]["errors"] == {"503": 4}
    assert [tail["on schedule"] for tail in saved] == [True, False]
    text = (tmp_path / "results.md").read_text()
    assert "\n".join(table(TAILS)) in text and "(tail-row.svg)" in text
