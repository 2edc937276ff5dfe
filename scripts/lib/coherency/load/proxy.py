"""A proxy between a site and its database server, which disturbs what passes.

    with Proxy(server.port) as proxy:
        uri = server.address("site", proxy.port)
        with proxy.disturbed("COMMIT unanswered", random.Random(1)) as disturbance:
            ...
        disturbance.count               # how many messages it met

A kind of disturbance is a function of a Disturbance, the bytes that have come, and their Link. It
returns the bytes to pass on, or raises Cut.
"""

import contextlib
import ctypes
import random
import re
import socket
import threading
import time
from typing import NamedTuple

# Connecting to an address without a family resets a connection. Closing a socket does not, if a
# process that was forked meanwhile has it too, such as a client of the load.
LIBC = ctypes.CDLL(None)
NOWHERE = bytes(16)
# The statement by itself or as the last one of several, and no isolation level.
COMMIT = re.compile(rb"\bCOMMIT\b")
BYTES = 65536
MOST_SECONDS_LATE = 0.05
# The part of the messages that a disturbance meets: the rest must get through, or nothing is done.
SHARE = {"COMMIT cut off": 0.1, "COMMIT unanswered": 0.1, "half an answer": 0.02}


class Cut(Exception):
    """Both sides of the connection must be reset."""


class Connection:
    """One connection through the proxy; two threads pass its bytes on, one in each direction."""

    def __init__(self, client, server):
        self._sockets = (client, server)
        self._lock = threading.Lock()
        self._threads = len(self._sockets)
        self._reset = False

    def end(self, reset):
        """End it on both sides, by a `reset` or cleanly. Each of the two threads calls this.

        The first call wakes the other thread, the second closes the sockets. If the first one
        closed them, a new connection could get the number of a closed socket, and the waiting
        thread would take its bytes.
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
    """One disturbance of what passes, until `over` is set; `count`: how many messages it met."""

    def __init__(self, kind, choice, share=None):
        """`choice`: a random.Random; `share`: the part of the messages to meet, or SHARE's."""
        self._disturb = KINDS[kind]
        self._share = SHARE.get(kind, 1) if share is None else share
        self._lock = threading.Lock()
        self.choice, self.count, self.over = choice, 0, threading.Event()

    def meets(self):
        """Whether to disturb this message; counts it then."""
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
    """Pass nothing on in one direction until it is over; then cut half of the connections."""

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
    """Let a COMMIT reach the server, but no answer reach the site."""
    if link.to_server and COMMIT.search(data) and disturbance.meets():
        # The server's answer then finds nobody.
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
        # close() alone does not wake a thread that waits for one.
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
