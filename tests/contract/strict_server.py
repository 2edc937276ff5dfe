"""A server that calls the site through wsgiref's validator, and handlers for its requests."""

import io
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import web

from tests.contract.site import Entry

TYPE = ("Content-Type", "text/plain")
LARGE = "x" * 300_000


class Answer:
    """An answer that is being read by a strict server; see ask()."""

    def __init__(self, site, environ):
        self.started = []
        self._chunks = validator(site.app.wsgifunc())(environ, self._start)

    def _start(self, *started):
        self.started.append(started)
        return lambda data: None

    def next(self):
        """The next chunk, b"" after the last one."""
        return next(self._chunks, b"")

    def read(self):
        """Read to the end and close; returns the status, the headers and the body."""
        try:
            body = b"".join(self._chunks)
        finally:
            self.close()
        [(status, headers)] = self.started
        return status, headers, body

    def close(self):
        """Close and drop it, as a server does however it ends."""
        self._chunks.close()
        del self._chunks


def ask(site, handler, method="GET", body=b""):
    """Have `site` answer by `handler()`; returns the Answer."""
    environ = {"QUERY_STRING": "", "wsgi.errors": io.StringIO()}
    setup_testing_defaults(environ)
    environ |= {"REQUEST_METHOD": method, "wsgi.input": io.BytesIO(body)}
    environ |= {"CONTENT_LENGTH": str(len(body)), "tests.handler": handler}
    return Answer(site, environ)


def plain():
    web.header(*TYPE)


def chunks(*made):
    """A handler that returns a generator of them, which uses the database before each."""

    def handler():
        plain()
        return generator()

    def generator():
        for chunk in made:
            Entry.select().count()
            yield chunk

    return handler


def returning(made):
    def handler():
        plain()
        Entry.select().count()
        return made

    return handler


BODIES = {
    returning("text"): b"text",
    returning("\u20ac"): "\u20ac".encode(),
    returning(b"\xff"): b"\xff",
    returning(""): b"",
    returning(None): b"None",
    returning(5): b"5",
    returning(["a", 1]): b"['a', 1]",
    chunks(): b"",
    chunks(""): b"",
    chunks("", ""): b"",
    chunks("first", b"second"): b"firstsecond",
    chunks("", "late"): b"late",
    chunks(1, None, "\u20ac"): "1None\u20ac".encode(),
    chunks(LARGE, LARGE): (LARGE + LARGE).encode(),
}

BELOW_500 = {
    "301": web.redirect,
    "303": web.seeother,
    "401": web.unauthorized,
    "404": web.notfound,
    "409": web.conflict,
}
FAILING = {"500": ZeroDivisionError, "503": lambda: web.HTTPError("503 Busy", dict([TYPE]))}
