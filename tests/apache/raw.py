"""Requests byte by byte, as no client library sends them."""

import contextlib
import http.client
import re
import socket

SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
# The lines of the head after the Host, and the body.
AMBIGUOUS = {
    "both lengths": (["Content-Length: 58", "Transfer-Encoding: chunked"], "0\r\n\r\n" + SMUGGLED),
    "two lengths": (["Content-Length: 0", "Content-Length: 53"], SMUGGLED),
    "a list of lengths": (["Content-Length: 0, 53"], SMUGGLED),
    "a signed length": (["Content-Length: +0"], SMUGGLED),
    "an unknown coding": (["Transfer-Encoding: xchunked"], SMUGGLED),
    "chunked not last": (["Transfer-Encoding: chunked, identity"], "0\r\n\r\n" + SMUGGLED),
    "a blank before the colon": (["Transfer-Encoding : chunked"], "0\r\n\r\n" + SMUGGLED),
    "a folded header": (["X: a", " Transfer-Encoding: chunked"], "0\r\n\r\n" + SMUGGLED),
    "a bare line feed": (["X: a\nTransfer-Encoding: chunked"], "0\r\n\r\n" + SMUGGLED),
    "a chunk of no size": (["Transfer-Encoding: chunked"], "x\r\n\r\n" + SMUGGLED),
    "a chunk of a huge size": (["Transfer-Encoding: chunked"], "f" * 17 + "\r\n" + SMUGGLED),
}


def connect(site):
    """A connection to the site; it waits up to a minute for an answer."""
    return socket.create_connection(("127.0.0.1", site.server.port), 60)


def head(method, path, *headers):
    """The head of a request; each of the headers is a text such as "Content-Length: 0"."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(connection, method="GET"):
    """Read the answer; returns its status, its headers, its body, and what follows it."""
    found = http.client.HTTPResponse(connection, method=method)
    found.begin()
    body = found.read()
    with contextlib.suppress(OSError):
        connection.settimeout(1)
        return found.status, found.headers, body, connection.recv(1000)
    return found.status, found.headers, body, b""


def ask(site, sent, method="GET"):
    """The answer to the bytes `sent`, as of `answer`."""
    with connect(site) as connection:
        connection.sendall(sent)
        return answer(connection, method)


def refused(port, form):
    """Whether the AMBIGUOUS request of this name is answered by nothing but refusals."""
    lines, body = AMBIGUOUS[form]
    sent = "\r\n".join(["POST /api/users HTTP/1.1", "Host: localhost", *lines]) + "\r\n\r\n" + body
    told = b""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(sent.encode())
        while more := connection.recv(65536):
            told += more
    classes = re.findall(rb"HTTP/1\.[01] (\d)", told)
    return bool(classes) and set(classes) == {b"4"}
