"""Each answer keeps the rules of WSGI (PEP 3333), as wsgiref's validator has them.

Besides what it checks, an answer is started once, and the last run's headers are all it has.
"""

import io
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
import web
from sqlobject import dberrors, sqlhub

from app.transactions import no_transaction, on_commit, reading, writing
from tests.contract.busy import Busy
from tests.contract.site import SERVERS, Entry
from tests.contract.site import no_transaction as thread_has_none

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


@pytest.mark.parametrize("mark", [lambda handler: handler, reading, writing])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_text_and_chunks(site, method, mark):
    for handler, body in BODIES.items():
        assert ask(site, mark(handler), method).read() == ("200 OK", [TYPE], body)
        assert thread_has_none()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_chunks_of_a_handler_without_a_transaction(site, method):
    handler = no_transaction(lambda: (plain(), iter(["first", "second"]))[1])
    assert ask(site, handler, method).read() == ("200 OK", [TYPE], b"firstsecond")


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_get_that_writes_has_the_headers_of_its_second_run_alone(site, in_chunks):
    def handler():
        plain()
        web.setcookie("seen", "1")
        Entry(name="a")
        return iter(["added"]) if in_chunks else "added"

    status, headers, body = ask(site, handler).read()
    assert (status, body) == ("200 OK", b"added")
    assert headers == [TYPE, ("Set-Cookie", "seen=1; Path=/")]
    assert site.names() == ["a"]


def test_the_body_of_a_request_is_read_by_the_rules_in_each_run(make_site):
    site = make_site(timeout=0.01)
    busy = Busy(site)
    sent = b"".join(b"%d\r\n" % number for number in range(30_000))

    def handler():
        plain()
        body = web.ctx.env["wsgi.input"]
        read = [body.read(7), body.readline(), body.readline(3), *body.readlines()]
        busy.impatient(sqlhub.threadConnection)
        seen.append(b"".join(read))
        if len(seen) == 2:
            busy.release()
        Entry(name="a")
        return "added"

    seen = []
    assert ask(site, handler, "POST", sent).read() == ("200 OK", [TYPE], b"added")
    assert seen == [sent, sent]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("by_status", [False, True])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_content_gets_no_content_type(site, status, method, by_status):
    def handler():
        Entry(name="a")
        if not by_status:
            raise web.HTTPError(status)
        web.ctx.status = status
        return ""

    assert ask(site, handler, method).read() == (status, [], b"")
    assert site.names() == ["a"]


def raising(error):
    """A handler that adds an Entry and raises what `error()` returns."""

    def handler():
        Entry(name="added")
        raise error()

    return handler


def late(error):
    """As `raising`, after chunks that are held back."""

    def handler():
        plain()
        yield "first"
        Entry(name="added")
        yield "second"
        raise error()

    return handler


def swallow():
    plain()
    for _ in range(2):
        try:
            Entry(name="added")
        except dberrors.DuplicateEntryError:
            return "as if"


def not_sendable():
    plain()
    Entry(name="added")
    web.header("X-Price", "\u20ac")
    return "as if"


def page():
    plain()
    web.ctx.status = "502 Bad Gateway"
    return "sorry"


BELOW_500 = {
    "301": web.redirect,
    "303": web.seeother,
    "401": web.unauthorized,
    "404": web.notfound,
    "409": web.conflict,
}
FAILING = {"500": ZeroDivisionError, "503": lambda: web.HTTPError("503 Busy", dict([TYPE]))}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("code", [*BELOW_500, *FAILING])
@pytest.mark.parametrize("kind", [raising, late])
def test_an_error_with_its_status(site, kind, code, method):
    """A GET writes, so it is run again as a writing request."""
    made = {**BELOW_500, **FAILING}[code]
    error = (lambda: made("/there")) if code.startswith("30") else made
    handler = kind(error) if kind is raising else writing(kind(error))
    status, headers, body = ask(site, handler, method).read()
    assert status.startswith(code)
    assert [name for name, _ in headers].count("Location") == code.startswith("30")
    assert b"first" not in body
    assert site.names() == (["added"] if code in BELOW_500 else [])
    assert thread_has_none()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("handler", "code"), [(swallow, "500"), (not_sendable, "500"), (page, "502")]
)
def test_an_answer_that_is_not_acknowledged(site, handler, code, method):
    status, _, body = ask(site, handler, method).read()
    assert status.startswith(code)
    assert b"as if" not in body
    assert site.names() == []


@pytest.mark.parametrize("kind", [raising, late])
def test_a_request_that_was_given_up(make_site, kind):
    site = make_site(timeout=0.01, attempts=2)
    busy = Busy(site)

    def conflict():
        busy.impatient(sqlhub.threadConnection)
        Entry(name="a")

    status, headers, body = ask(site, kind(conflict), "POST").read()
    assert status == "503 Service Unavailable"
    assert headers == [("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "1")]
    assert body
    busy.release()
    assert site.names() == []


@pytest.mark.engines(*SERVERS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_request_whose_connection_is_lost(site, server, method, streamed):
    def handler():
        plain()
        Entry.select().count()
        server.end_sessions()
        return str(Entry.select().count())

    def in_chunks():
        yield handler()

    status, headers, _ = ask(site, in_chunks if streamed else handler, method).read()
    assert status == "503 Service Unavailable"
    assert headers == [("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "1")]


def test_functions_for_the_end_change_nothing(site):
    def handler():
        plain()
        on_commit(lambda: web.header("X-Late", "1"))
        on_commit(web.notfound)
        Entry(name="a")
        return "added"

    assert ask(site, handler, "POST").read() == ("200 OK", [TYPE], b"added")


def failing_late():
    plain()
    yield str(Entry.select().count())
    raise ZeroDivisionError


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_that_fails_late_is_broken_off_and_never_started_again(site, method):
    """The only way in which a server can tell its client, after the first chunk."""
    answer = ask(site, failing_late, method)
    assert answer.next() == b"0"
    with pytest.raises(ZeroDivisionError):
        answer.next()
    assert len(answer.started) == 1
    answer.close()
    assert thread_has_none()
    assert ask(site, returning("next"), method).read() == ("200 OK", [TYPE], b"next")


@pytest.mark.parametrize("read", [0, 1, 2])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("stream_writes", [False, True])
def test_an_answer_that_is_closed_early_leaves_nothing(make_site, method, read, stream_writes):
    site = make_site(stream_writes=stream_writes)

    def handler():
        plain()
        if method == "POST":
            Entry(name="a")
        for _ in range(3):
            yield str(Entry.select().count()) * 100_000

    answer = ask(site, handler, method)
    for _ in range(read):
        assert answer.next()
    answer.close()
    assert thread_has_none()
    held_back = method == "POST" and not stream_writes
    assert site.names() == (["a"] if held_back else [])
    assert ask(site, returning("next"), method).read() == ("200 OK", [TYPE], b"next")


@pytest.mark.parametrize("code", [*BELOW_500, *FAILING])
def test_sent_at_once_an_error_before_the_first_chunk(make_site, code):
    site = make_site(stream_writes=True)
    made = {**BELOW_500, **FAILING}[code]

    def handler():
        Entry(name="a")
        raise made("/there") if code.startswith("30") else made()
        yield

    status, _, _ = ask(site, handler, "POST").read()
    assert status.startswith(code)
    assert site.names() == (["a"] if code in BELOW_500 else [])


def test_sent_at_once_a_stream_is_valid(make_site):
    site = make_site(stream_writes=True)
    for handler, body in BODIES.items():
        assert ask(site, handler, "POST").read() == ("200 OK", [TYPE], body)
