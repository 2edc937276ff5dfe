"""The answer and the database agree: what is acknowledged is there, whatever the answer is."""

import collections
import contextlib
import json
import time

import pytest
import web
from sqlobject import dberrors

from app.transactions import (
    GivenUp,
    Verdict,
    in_transaction,
    no_transaction,
    on_commit,
    on_rollback,
    savepoint,
)
from app.transactions.outcomes import plain_503
from tests.contract.site import Entry, add, inside
from tests.contract.site import no_transaction as thread_has_none


class Reads:
    """An object whose text is read from the database."""

    def __str__(self):
        return ", ".join(entry.name for entry in Entry.select(orderBy="id"))


class Fails:
    def __repr__(self):
        raise ZeroDivisionError


class LazyText(str):
    """Text that is produced when it is shown, as translations are."""

    def __str__(self):
        return Entry.byName("a").name


class LazyDict(dict):
    def __repr__(self):
        return Entry.byName("a").name


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "made",
    [
        lambda: Entry.byName("a"),
        lambda: [Entry.byName("a")],
        lambda: (1, {"one": Entry.byName("a")}),
        lambda: list(Entry.select()),
        lambda: Entry.select(),
        Reads,
        lambda: LazyText("b"),
        lambda: LazyDict(b=1),
        lambda: {"one": LazyDict(b=1)},
    ],
)
def test_what_a_handler_returns_becomes_text_in_its_transaction(site, made, method):
    called = []

    def handler():
        entry = Entry(name="a")
        entry.expire()
        on_commit(lambda: called.append(1))
        return made()

    answer = site.request(handler, method)
    assert answer.status == "200 OK"
    assert b"a" in answer.data
    assert site.names() == ["a"]
    assert called == [1]
    assert thread_has_none()


@pytest.mark.parametrize("made", [Fails, lambda: [Fails()], lambda: {"one": Fails()}])
def test_an_answer_whose_text_cannot_be_produced_rolls_back(site, made):
    called = []

    def handler():
        Entry(name="a")
        on_commit(lambda: called.append("committed"))
        on_rollback(lambda: called.append("rolled back"))
        return made()

    assert site.request(handler).status.startswith("500")
    assert site.names() == []
    assert called == ["rolled back"]


@pytest.mark.parametrize(
    "answer",
    [
        {"name": "a", "numbers": [1, None, True, 2.5]},
        web.Storage(name="a"),
        collections.OrderedDict(name="a"),
        ["a", ("b", 1)],
    ],
)
def test_a_processor_outside_still_gets_plain_values_as_they_are(site, answer):
    site.app.processors.insert(0, lambda handler: json.dumps(handler()))
    assert json.loads(site.request(lambda: answer).data) == json.loads(json.dumps(answer))


def error_page():
    web.ctx.status = "500 Internal Server Error"
    return "sorry"


def error_page_by_number():
    web.ctx.status = 503
    return "sorry"


def error_page_by_an_error():
    # Creating the error sets the status.
    return web.internalerror("sorry")


def error_page_in_chunks():
    web.ctx.status = "500 Internal Server Error"
    yield "sorry"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "page", [error_page, error_page_by_number, error_page_by_an_error, error_page_in_chunks]
)
def test_an_error_page_that_is_returned_rolls_back(site, page, method):
    called = []

    def handler():
        Entry(name="a")
        on_commit(lambda: called.append("committed"))
        on_rollback(lambda: called.append("rolled back"))
        return page()

    if page is error_page_by_number:
        # web.py sends text only.
        site.app.processors.insert(0, _status_made_text)
    assert site.request(handler, method).status[:3] in ("500", "503")
    assert site.names() == []
    assert called == ["rolled back"]


def _status_made_text(handler):
    result = handler()
    web.ctx.status = f"{web.ctx.status} Busy"
    return result


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_error_page_of_a_processor_inside_rolls_back(site, method):
    def pages(handler):
        try:
            return handler()
        except web.HTTPError:
            return error_page()

    site.app.add_processor(pages)
    assert site.request(add(then=ZeroDivisionError), method).data == b"sorry"
    assert site.names() == []


def test_an_error_page_of_a_processor_inside_with_a_status_below_500_commits(site):
    """The processor's answer counts, and it says that nothing is wrong."""

    def pages(handler):
        try:
            return handler()
        except web.HTTPError:
            web.ctx.status = "404 Not Found"
            return "not here"

    site.app.add_processor(pages)
    site.request(add(then=web.notfound))
    assert site.names() == ["a"]


def duplicate(in_savepoint):
    """Add an Entry that exists, and catch the error."""
    around = savepoint() if in_savepoint else contextlib.nullcontext()
    with contextlib.suppress(dberrors.DuplicateEntryError), around:
        Entry(name="a")


@pytest.mark.parametrize("in_savepoint", [True, False])
@pytest.mark.parametrize("raised", [True, False])
def test_a_4xx_after_a_caught_error_is_the_answer(site, in_savepoint, raised):
    """Outside of a savepoint all is rolled back, and nothing is acknowledged."""
    site.request(add("a"))

    def handler():
        Entry(name="b")
        duplicate(in_savepoint)
        if raised:
            raise web.conflict()
        web.ctx.status = "409 Conflict"
        return "taken"

    assert site.request(handler).status == "409 Conflict"
    assert site.names() == (["a", "b"] if in_savepoint else ["a"])


@pytest.mark.parametrize("status", ["200 OK", "303 See Other"])
def test_an_error_caught_outside_of_a_savepoint_is_500_whatever_is_returned(site, status):
    site.request(add("a"))

    def handler():
        duplicate(in_savepoint=False)
        web.ctx.status = status
        return "as if"

    assert site.request(handler).status.startswith("500")


def failing_query():
    with contextlib.suppress(dberrors.Error):
        Entry.select("nowhere = 1").count()


def test_an_error_caught_in_a_reading_request_is_no_failure(site):
    """There is nothing to commit, so nothing that is acknowledged can be missing."""
    called = []

    def handler():
        failing_query()
        on_commit(lambda: called.append("committed"))
        on_rollback(lambda: called.append("rolled back"))
        return "read"

    assert site.request(handler, "GET").data == b"read"
    assert called == ["committed"]
    site.request(add("a"))
    assert site.request(lambda: str(Entry.select().count()), "GET").data == b"1"


def test_a_reading_request_goes_on_after_an_error_in_a_savepoint(site):
    site.request(add("a"))

    def handler():
        with contextlib.suppress(dberrors.Error), savepoint():
            Entry.select("nowhere = 1").count()
        return Entry.get(1).name

    assert site.request(handler, "GET").data == b"a"


def test_a_reading_request_that_writes_after_a_caught_error_is_500(site):
    """It is run again as a writing request, and that has swallowed an error."""

    def handler():
        failing_query()
        return add("a")()

    assert site.request(handler, "GET").status.startswith("500")
    assert site.names() == []


@pytest.mark.parametrize("error", [lambda: web.seeother("/there"), web.notfound])
def test_an_http_error_below_500_commits_what_in_transaction_did(site, error):
    """The handler itself holds no transaction, and the answer acknowledges the function's."""
    called = []

    @no_transaction
    def handler():
        def work():
            with savepoint():
                add("a")()
                on_commit(lambda: called.append(1))
                raise error()

        in_transaction(work, connection=site.connection)

    assert site.request(handler).status[0] in "34"
    assert site.names() == ["a"]
    assert called == [1]


@pytest.mark.parametrize("error", [web.internalerror, lambda: web.HTTPError("503 Busy"), KeyError])
def test_any_other_error_rolls_back_what_in_transaction_did(site, error):
    @no_transaction
    def handler():
        in_transaction(add("a", then=error), connection=site.connection)

    assert site.request(handler).status.startswith("50")
    assert site.names() == []


class TestGivenUp:
    """What `in_transaction` gives up in a handler that holds no transaction."""

    @pytest.fixture
    def reasons(self):
        return []

    @pytest.fixture
    def site(self, make_site, reasons):
        def unavailable(headers, reason):
            reasons.append((reason, "Retry-After" in headers))
            return plain_503(headers, reason)

        return make_site(unavailable=unavailable)

    def test_is_answered_with_its_reason(self, site, reasons):
        @no_transaction
        def handler():
            web.header("X-Of-The-Handler", "1")
            in_transaction(lambda: Entry(name="a") and time.sleep(0.2), timeout=0.1)

        answer = site.request(handler)
        assert answer.status.startswith("503")
        assert (reasons, site.names()) == ([(Verdict.LATE, True)], [])
        assert "X-Of-The-Handler" not in answer.headers
        assert "text/html" not in str(answer.headers)

    def test_is_answered_as_unknown_whatever_was_done_before(self, site, reasons):
        @no_transaction
        def handler():
            in_transaction(add("a"))
            raise GivenUp(Verdict.UNKNOWN)

        assert site.request(handler).status.startswith("503")
        assert (reasons, site.names()) == ([(Verdict.UNKNOWN, False)], ["a"])

    @pytest.mark.parametrize("before", [in_transaction, inside])
    def test_is_no_503_where_the_handler_has_changed_something(self, site, reasons, before):
        """A 503 would say that nothing was changed."""

        @no_transaction
        def handler():
            before(add("a")) if before is in_transaction else before(site, add("a"))
            in_transaction(lambda: Entry(name="b") and time.sleep(0.2), timeout=0.1)

        assert site.request(handler).status.startswith("500")
        assert (reasons, site.names()) == ([], ["a"])

    def test_is_no_503_where_the_handler_has_its_own_answer(self, site, reasons):
        @no_transaction
        def handler():
            try:
                in_transaction(lambda: Entry(name="b") and time.sleep(0.2), timeout=0.1)
            except GivenUp:
                raise web.conflict() from None

        assert site.request(handler).status.startswith("409")
        assert reasons == []

    def test_is_told_in_the_first_chunk_too(self, site, reasons):
        @no_transaction
        def handler():
            in_transaction(lambda: Entry(name="b") and time.sleep(0.2), timeout=0.1)
            yield "never"

        assert site.request(handler).status.startswith("503")
        assert reasons == [(Verdict.LATE, True)]


@pytest.mark.parametrize(("error", "status"), [(web.conflict, "409"), (web.notmodified, "500")])
def test_a_swallowed_error_in_in_transaction_is_not_acknowledged(site, error, status):
    site.request(add("a"))

    @no_transaction
    def handler():
        def work():
            add("b")()
            duplicate(in_savepoint=False)
            raise error()

        in_transaction(work, connection=site.connection)

    assert site.request(handler).status.startswith(status)
    assert site.names() == ["a"]


@pytest.mark.parametrize("made", [lambda: Entry.byName("a"), Reads, lambda: [Reads()]])
def test_the_data_of_an_http_error_becomes_text_in_the_transaction(site, made):
    def handler():
        Entry(name="a").expire()
        raise web.HTTPError("404 Not Found", {}, made())

    answer = site.request(handler)
    assert answer.status == "404 Not Found"
    assert b"a" in answer.data
    assert site.names() == ["a"]


def to_a_place_outside_of_latin_1():
    raise web.seeother("/prices/€")


def with_a_status_outside_of_latin_1():
    raise web.HTTPError("404 No €")


def with_a_header_outside_of_latin_1():
    web.header("X-Price", "€")
    return "sold"


def with_half_a_character():
    return "\ud800"


def with_half_a_character_in_an_error():
    raise web.HTTPError("404 Not Found", {}, "\ud800")


def with_no_text():
    raise web.HTTPError("404 Not Found", {}, Fails())


@pytest.mark.parametrize(
    "answer",
    [
        to_a_place_outside_of_latin_1,
        with_a_status_outside_of_latin_1,
        with_a_header_outside_of_latin_1,
        with_half_a_character,
        with_half_a_character_in_an_error,
        with_no_text,
    ],
)
def test_an_answer_that_cannot_be_sent_rolls_back(site, answer):
    called = []

    def handler():
        Entry(name="a")
        on_commit(lambda: called.append("committed"))
        on_rollback(lambda: called.append("rolled back"))
        return answer()

    assert site.request(handler).status.startswith("500")
    assert site.names() == []
    assert called == ["rolled back"]


class OwnError(web.HTTPError):
    """An HTTPError with another constructor, as applications define."""

    data = "own"

    def __init__(self, *args):
        Exception.__init__(self, *args)


@pytest.mark.parametrize("args", [(), ("sold out",)])
@pytest.mark.parametrize("status", ["200 OK", "409 Conflict", "503 Busy"])
def test_an_http_error_without_a_status_has_the_status_of_the_answer(site, status, args):
    def handler():
        Entry(name="a")
        web.ctx.status = status
        raise OwnError(*args)

    assert site.request(handler).status == status
    assert site.names() == ([] if status.startswith("5") else ["a"])
