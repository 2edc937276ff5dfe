"""A process of scripts/benchmark --open-loop: sends requests at a fixed rate, whatever comes back.

Its arguments are host, port, path of the reads, how many of a hundred requests write, requests
per second, seconds, and the most connections. It prints one JSON object; see `told`.

Each request is due at an instant that no answer can move. Its time is counted from there, so that
a request that would have come during a stall has waited too. If all connections are in use, a new
one is opened. If there are the most already, requests wait here, which counts as well.
"""

import contextlib
import gc
import json
import math
import os
import re
import select
import socket
import sys
import time
from collections import Counter, deque

# Seconds for answers after the last request was due.
GRACE = 10
# Seconds of idleness after which a connection is not used again: Apache closes it after 5.
IDLE = 3
# Seconds after which this process has taken up a request too late.
LATE = 0.005

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Connection:
    """A connection, with the answer that is coming in: it carries one request at a time."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=GRACE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # (number, when it was due) of the request that is not answered yet.
        self.request = self.idle_since = None
        self.received = b""

    @property
    def reused(self):
        """Whether it has carried another request before this one."""
        return self.idle_since is not None

    def send(self, request, text):
        """Send the bytes `text` for a `request`, (number, when it was due). Raises OSError."""
        self.request, self.received = request, b""
        self.socket.sendall(text)

    def receive(self):
        """Take in what has come; returns whether more may come. Raises OSError."""
        some = self.socket.recv(65536)
        self.received += some
        return bool(some)

    def answer(self, ended):
        """The answer's (status, whether the connection stays), or None while it is not whole."""
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = LENGTH.search(head)
        if length:
            whole = len(body) >= int(length[1])
        elif CHUNKED.search(head):
            whole = body.endswith(b"0\r\n\r\n")
        else:
            whole = ended
        return (int(head[9:12]), not ended and not CLOSES.search(head)) if whole else None


class Client:
    """All connections, the requests that wait for one, and what was measured, in seconds."""

    def __init__(self, address, path, writes, most):
        host = f"Host: {address[0]}:{address[1]}\r\n"
        self.address, self.writes, self.most = address, writes, most
        self.read = f"GET {path} HTTP/1.1\r\n{host}\r\n".encode()
        self.write = f"POST /write HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n".encode()
        self.epoll = select.epoll()
        self.open, self.idle, self.waiting = {}, [], deque()
        self.latencies, self.lateness, self.errors = [], [], Counter()

    def run(self, rate, seconds):
        """Send `rate` requests a second; returns how many were never answered."""
        began = time.perf_counter()
        total, number = max(1, round(rate * seconds)), 0
        ends = began + total / rate + GRACE
        while (now := time.perf_counter()) < ends:
            while number < total and (due := began + number / rate) <= now:
                self.lateness.append(now - due)
                number += 1
                self.waiting.append((number, due))
            self._send(now)
            if number == total and not self.waiting and len(self.idle) == len(self.open):
                break
            next_due = began + number / rate if number < total else ends
            # epoll's own timeout is in whole milliseconds.
            pause = max(0, next_due - time.perf_counter())
            select.select([self.epoll], [], [], pause)
            for descriptor, _ in self.epoll.poll(0):
                self._receive(self.open[descriptor])
        return self._give_up()

    def _send(self, now):
        while self.waiting and (self.idle or len(self.open) < self.most):
            number, due = request = self.waiting.popleft()
            write = number * self.writes % 100 < self.writes
            try:
                connection = self._connection(now)
            except OSError as error:
                self._count(due, error)
                continue
            try:
                connection.send(request, self.write if write else self.read)
            except OSError as error:
                self._lost(connection, error)

    def _connection(self, now):
        """A free connection. Raises OSError if none can be opened."""
        while self.idle:
            connection = self.idle.pop()
            if now - connection.idle_since < IDLE:
                return connection
            self._close(connection)
        connection = Connection(self.address)
        self.open[connection.socket.fileno()] = connection
        self.epoll.register(connection.socket, select.EPOLLIN)
        return connection

    def _receive(self, connection):
        error = "closed"
        try:
            ended = not connection.receive()
        except OSError as raised:
            ended, error = True, raised
        if connection.request is None:
            # Nothing was asked on it: Apache closes it.
            self.idle.remove(connection)
            self._close(connection)
            return
        answer = connection.answer(ended)
        if answer:
            status, stays = answer
            self._done(connection, None if 200 <= status < 400 else status, stays)
        elif ended:
            self._lost(connection, error)

    def _lost(self, connection, error):
        """A connection has ended before its answer.

        When all its threads are busy, Apache closes idle connections, on which a request may just
        have been sent. As browsers do, it is sent again; when it was due stays the same.
        """
        if connection.reused and not connection.received:
            self.waiting.appendleft(connection.request)
            self._close(connection)
        else:
            self._done(connection, error)

    def _count(self, due, error):
        """A request is answered, or has failed by `error`; returns when."""
        now = time.perf_counter()
        self.latencies.append(now - due)
        if error is not None:
            self.errors[str(error)] += 1
        return now

    def _done(self, connection, error, stays=False):
        now = self._count(connection.request[1], error)
        connection.request, connection.idle_since = None, now
        if stays:
            self.idle.append(connection)
        else:
            self._close(connection)

    def _close(self, connection):
        del self.open[connection.socket.fileno()]
        # Closing takes it out of the epoll.
        connection.socket.close()

    def _give_up(self):
        """Count unanswered requests as errors that took until now; returns how many."""
        now = time.perf_counter()
        unanswered = [due for _, due in self.waiting]
        unanswered += [one.request[1] for one in self.open.values() if one.request]
        self.latencies += [now - due for due in unanswered]
        if unanswered:
            self.errors["not answered"] += len(unanswered)
        return len(unanswered)


def percentile(numbers, percent):
    """The least of the sorted `numbers` that `percent` of them do not exceed."""
    return numbers[math.ceil(len(numbers) * percent / 100) - 1]


def told(client, unanswered, seconds, busy):
    """What the Client has measured, times in ms.

    errors: {what went wrong, such as a status: how often}. late: how many requests were sent LATE
    or more after they were due by this process's fault. lateness: the 99.9th percentile of how
    much after. busy: the share of a processor that it took.
    """
    latencies, lateness = sorted(client.latencies), sorted(client.lateness)
    return {
        "sent": len(lateness),
        "rate": (len(latencies) - unanswered) / seconds,
        "p50": percentile(latencies, 50) * 1000,
        "p99": percentile(latencies, 99) * 1000,
        "p999": percentile(latencies, 99.9) * 1000,
        "worst": latencies[-1] * 1000,
        "errors": client.errors,
        "late": sum(1 for one in lateness if one > LATE),
        "lateness": percentile(lateness, 99.9) * 1000,
        "busy": busy,
    }


def main(host, port, path, writes, rate, seconds, most):
    """Do what the module's docstring says."""
    client = Client((host, int(port)), path, int(writes), int(most))
    gc.disable()
    # It stands for clients on other machines, which do not wait for the server's processors.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    began, processor = time.perf_counter(), time.process_time()
    unanswered = client.run(float(rate), float(seconds))
    took, worked = time.perf_counter() - began, time.process_time() - processor
    print(json.dumps(told(client, unanswered, took, worked / took)))


if __name__ == "__main__":
    main(*sys.argv[1:])
