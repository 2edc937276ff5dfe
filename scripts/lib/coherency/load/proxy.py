"""A proxy between a site and its database server, which disturbs what passes.

    with Proxy(server.port) as proxy:
        uri = server.address("site", proxy.port)
        with proxy.disturbed("COMMIT unanswered", random.Random(1)) as disturbance:
            ...
        disturbance.count               # how often that was met

A kind of disturbance is a function of a Disturbance, the bytes that have come, and the Link that
they are to go along. It returns what is to be passed on, or raises Cut.
"""

import contextlib
import ctypes
import random
import re
import socket
import threading
import time
from typing import NamedTuple

# A connect to an address without a family resets a connection. To close a socket does not where
# another process has it, too: one that was forked meanwhile, such as a client of the load.
LIBC = ctypes.CDLL(None)
NOWHERE = bytes(16)
# The statement by itself or as the last one of several, and no isolation level.
COMMIT = re.compile(rb"\bCOMMIT\b")
BYTES = 65536
MOST_SECONDS_LATE = 0.05
# How many of the messages that could be met are: the rest must get through, or nothing is done.
SHARE = {"COMMIT cut off": 0.1, "COMMIT unanswered": 0.1, "half an answer": 0.02}


class Cut(Exception):
    """The connection is to be reset on both sides."""


class Connection:
    """One connection through the proxy, of which two threads pass on a direction each."""

    def __init__(self, client, server):
        self._sockets = (client, server)
        self._lock = threading.Lock()
        self._threads = len(self._sockets)
        self._reset = False

    def end(self, reset):
        """End it on both sides, by a `reset` or in order. Each of the two threads comes by here.

        The first one wakes the other one up, and the second one closes the sockets: before that
        the number of a closed one could be another connection's, whose bytes the thread that still
        waits would take.
        """
        with self._lock:
            self._reset = self._reset or reset
            for end in self._sockets:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RD if self._reset else socket.SHUT_RDWR)
            self._threads -= 1
            if not self._threads:
                for end in self._sockets:
                    if self._reset:
                        LIBC.connect(end.fileno(), NOWHERE, len(NOWHERE))
                    end.close()


class Link(NamedTuple):
    """A connection seen in one direction."""

    source: socket.socket
    sink: socket.socket
    to_server: bool
    connection: Connection


class Disturbance:
    """What is done to what passes until `over` is set, and the `count` of how often it was."""

    def __init__(self, kind, choice, share=None):
        """`choice`: a random.Random; `share`: of the messages that it could meet, SHARE's."""
        self._disturb = KINDS[kind]
        self._share = SHARE.get(kind, 1) if share is None else share
        self._lock = threading.Lock()
        self.choice, self.count, self.over = choice, 0, threading.Event()

    def meets(self):
        """Whether to disturb this message; it is counted then."""
        with self._lock:
            met = not self.over.is_set() and self.choice.random() < self._share
            self.count += met
            return met

    def __call__(self, data, link):
        return self._disturb(self, data, link)


def late(disturbance, data, link):
    """Pass on what comes in either direction some milliseconds late."""
    if disturbance.meets():
        time.sleep(disturbance.choice.uniform(0, MOST_SECONDS_LATE))
    return data


def stopped(to_server):
    """Pass nothing on in one direction until it is over; then half of the connections are cut."""

    def stop(disturbance, data, link):
        if link.to_server is to_server and disturbance.meets():
            disturbance.over.wait()
            if disturbance.choice.random() < 0.5:
                raise Cut
        return data

    return stop


def commit_cut_off(disturbance, data, link):
    """Let half of a COMMIT reach the server."""
    if link.to_server and COMMIT.search(data) and disturbance.meets():
        link.sink.sendall(data[: len(data) // 2])
        raise Cut
    return data


def commit_unanswered(disturbance, data, link):
    """Let a COMMIT reach the server, and no answer the site."""
    if link.to_server and COMMIT.search(data) and disturbance.meets():
        # Nobody is there any more when the server sends it.
        link.source.shutdown(socket.SHUT_RDWR)
    return data


def half_answer(disturbance, data, link):
    """Let half of an answer reach the site."""
    if not link.to_server and len(data) > 1 and disturbance.meets():
        link.sink.sendall(data[: len(data) // 2])
        raise Cut
    return data


def swallowed(disturbance, data, link):
    """Let nothing through in any direction, for good."""
    return b"" if disturbance.meets() else data


KINDS = {
    "network delay": late,
    "queries stop": stopped(True),
    "answers stop": stopped(False),
    "COMMIT cut off": commit_cut_off,
    "COMMIT unanswered": commit_unanswered,
    "half an answer": half_answer,
    "silence": swallowed,
}


class Proxy:
    """Passes bytes on to 127.0.0.1:`server` from connections to `port` of 127.0.0.1."""

    def __init__(self, server):
        self._server = server
        self._disturbance = None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Take no further connections."""
        # A thread that waits for one is not woken by a close alone.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def address(self, uri):
        """The `uri` of a database of the server, by way of the proxy."""
        return uri.replace(f":{self._server}/", f":{self.port}/")

    @contextlib.contextmanager
    def disturbed(self, kind, choice=random, share=None):
        """Disturb what passes until the block ends, by one of the KINDS; yields a Disturbance."""
        self._disturbance = Disturbance(kind, choice, share)
        try:
            yield self._disturbance
        finally:
            self._disturbance.over.set()
            self._disturbance = None

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server))
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = Connection(client, server)
                for link in (
                    Link(client, server, True, connection),
                    Link(server, client, False, connection),
                ):
                    threading.Thread(target=self._pass, args=[link], daemon=True).start()

    def _pass(self, link):
        reset = False
        try:
            while data := link.source.recv(BYTES):
                disturbance = self._disturbance
                if disturbance is not None:
                    data = disturbance(data, link)
                link.sink.sendall(data)
        except Cut:
            reset = True
        except OSError:
            pass
        link.connection.end(reset)
