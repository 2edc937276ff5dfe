"""What the proxy does to what passes between a site and its database server."""

import contextlib
import multiprocessing
import random
import select
import socket
import threading
import time

import pytest

from scripts.lib.coherency.load.proxy import Proxy

PATIENCE = 0.3


class Server:
    """Sends back what comes; `came`: all of it, `ended`: how many connections have ended."""

    def __init__(self):
        self.came, self.ended = b"", 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._echo, args=[client], daemon=True).start()

    def _echo(self, client):
        with client, contextlib.suppress(OSError):
            while data := client.recv(1000):
                self.came += data
                client.sendall(data)
        self.ended += 1

    def close(self):
        self._listener.close()


@pytest.fixture
def server():
    with contextlib.closing(Server()) as running:
        yield running


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as made:
        yield made


@pytest.fixture
def client(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as made:
        yield made


def answer(client, query):
    """What comes back: all that was sent, or less if the connection ends before."""
    came = b""
    with contextlib.suppress(ConnectionError):
        client.sendall(query)
        while len(came) < len(query) and (data := client.recv(1000)):
            came += data
    return came


def eventually(condition):
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_what_is_not_disturbed_passes(proxy, client):
    assert answer(client, b"SELECT 1") == b"SELECT 1"
    assert proxy.address("postgres://u@127.0.0.1:1/site") == "postgres://u@127.0.0.1:1/site"


def test_a_delay_changes_no_byte(proxy, client):
    with proxy.disturbed("network delay", random.Random(0)) as disturbance:
        assert answer(client, b"SELECT 1") == b"SELECT 1"
    assert disturbance.count == 2


@pytest.mark.parametrize("kind", ["queries stop", "answers stop"])
def test_one_direction_stops_until_it_is_over(server, proxy, kind):
    address = ("127.0.0.1", proxy.port)
    clients = [socket.create_connection(address, timeout=30) for _ in range(20)]
    with proxy.disturbed(kind, random.Random(1)) as disturbance:
        for client in clients:
            client.sendall(b"SELECT 1")
        eventually(lambda: disturbance.count == 20)
        if kind == "queries stop":
            assert server.came == b""
        else:
            eventually(lambda: server.came == b"SELECT 1" * 20)
        assert not select.select(clients, [], [], PATIENCE)[0]
    came = []
    for client in clients:
        with client, contextlib.suppress(ConnectionError):
            came.append(client.recv(1000))
    whole = came.count(b"SELECT 1")
    assert 0 < whole < 20
    assert set(came) <= {b"SELECT 1", b""}


@pytest.mark.parametrize(
    ("kind", "arrives", "comes_back"),
    [
        ("COMMIT cut off", b"x CO", (b"", b"x CO")),
        ("COMMIT unanswered", b"x COMMIT", (b"",)),
        ("half an answer", b"x COMMIT", (b"x CO",)),
    ],
)
def test_a_connection_breaks_at_the_worst_moment(server, proxy, client, kind, arrives, comes_back):
    with proxy.disturbed(kind, random.Random(0), share=1) as disturbance:
        assert answer(client, b"x COMMIT") in comes_back
    assert disturbance.count == 1
    eventually(lambda: server.came == arrives)
    assert answer(client, b"x") == b""


@pytest.mark.parametrize("kind", ["COMMIT cut off", "COMMIT unanswered", "half an answer"])
def test_a_broken_connection_ends_on_both_sides_even_if_a_forked_process_has_it(
    server, proxy, client, kind
):
    """The load's clients are forked while there are connections."""
    assert answer(client, b"x") == b"x"
    forked = multiprocessing.get_context("fork").Process(target=time.sleep, args=[60])
    forked.start()
    try:
        with proxy.disturbed(kind, random.Random(0), share=1):
            assert len(answer(client, b"x COMMIT")) < len(b"x COMMIT")
            assert answer(client, b"x") == b""
        eventually(lambda: server.ended == 1)
    finally:
        forked.kill()
        forked.join()


@pytest.mark.parametrize("kind", ["COMMIT cut off", "COMMIT unanswered"])
def test_an_isolation_level_is_not_a_commit(proxy, client, kind):
    query = b"SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
    with proxy.disturbed(kind, random.Random(0), share=1) as disturbance:
        assert answer(client, query) == query
    assert disturbance.count == 0


def test_in_silence_nothing_passes(server, proxy, client):
    client.settimeout(PATIENCE)
    with proxy.disturbed("silence"), pytest.raises(TimeoutError):
        answer(client, b"SELECT 1")
    assert server.came == b""
