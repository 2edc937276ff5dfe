"""Requests byte by byte, as no client library sends them."""

import contextlib
import http.client
import socket


def connect(site):
    """A connection to the site; it waits up to a minute for an answer."""
    return socket.create_connection(("127.0.0.1", site.server.port), 60)


def head(method, path, *headers):
    """The head of a request; each of the headers is a text such as "Content-Length: 0"."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(connection, method="GET"):
    """Read the answer; returns its status, its headers, its body, and what comes behind that."""
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
