"""Each answer follows the rules of WSGI (PEP 3333), as wsgiref's validator checks them.

Moreover, an answer is started only once, and has only the headers of the last run.
"""

import pytest
import web
from sqlobject import dberrors, sqlhub

from app.transactions import no_transaction, on_commit, reading, writing
from tests.contract.busy import Busy
from tests.contract.site import SERVERS, Entry
from tests.contract.site import no_transaction as thread_has_none
from tests.contract.strict_server import BELOW_500, BODIES, FAILING, TYPE, ask, plain


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


@pytest.mark.parametrize(
    ("status", "header"),
    [
        ("404", ("X-Name", "value")),
        ("44 Not Found", ("X-Name", "value")),
        ("404 Not\nFound", ("X-Name", "value")),
        ("200 OK", ("X Name", "value")),
        ("200 OK", ("X-Name:", "value")),
        ("200 OK", ("", "value")),
        ("200 OK", ("X-N\u00e4me", "value")),
        ("200 OK", ("X-Name", "two\nlines")),
        ("200 OK", ("X-Name", "two\r\nlines")),
        ("200 OK", ("X-Name", "nul\0")),
        ("200 OK", ("X-Name", "del\x7f")),
    ],
)
def test_an_answer_that_no_server_can_send_is_500_and_rolls_back(site, status, header):
    def handler():
        Entry(name="a")
        plain()
        web.ctx.headers.append(header)
        web.ctx.status = status
        return "as if"

    assert ask(site, handler, "POST").read()[0].startswith("500")
    assert site.names() == []


@pytest.mark.parametrize("header", [("X-Name", "a\tb \u00e9"), ("X_Name.1", ""), ("Etag", '"1"')])
def test_an_answer_with_a_rare_header_is_sent(site, header):
    def handler():
        Entry(name="a")
        web.ctx.headers.append(header)
        return "added"

    assert site.request(handler).header_items == [header]
    assert site.names() == ["a"]


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
