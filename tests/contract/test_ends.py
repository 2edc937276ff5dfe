"""How a request's transaction ends: what is committed, what is rolled back."""

import pytest
import web
from sqlobject import sqlhub

from app.transactions import doom
from tests.contract.internals import begun
from tests.contract.site import Entry, add, no_transaction


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_handler_that_returns_commits(site, method):
    assert site.request(add(), method).data == b"added"
    assert site.names() == ["a"]
    assert no_transaction()


@pytest.mark.parametrize(
    "error", [lambda: web.seeother("/there"), web.notfound, web.forbidden, web.notmodified]
)
def test_an_http_error_below_500_commits(site, error):
    response = site.request(add(then=error))
    assert not response.status.startswith("5")
    assert site.names() == ["a"]
    assert no_transaction()


@pytest.mark.parametrize("error", [web.internalerror, lambda: web.HTTPError("503 Busy")])
def test_an_http_error_of_500_or_more_rolls_back(site, error):
    assert site.request(add(then=error)).status.startswith("5")
    assert site.names() == []
    assert no_transaction()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_exception_rolls_back(site, method):
    assert site.request(add(then=ZeroDivisionError), method).status.startswith("500")
    assert site.names() == []
    assert no_transaction()


def test_an_exception_rolls_back_though_the_error_page_claims_success(site):
    site.app.internalerror = lambda: web.HTTPError("200 OK", {}, "all is well")
    site.request(add(then=ZeroDivisionError))
    assert site.names() == []


def test_what_a_crashed_handler_did_is_rolled_back_although_internalerror_raises(site):
    def internalerror():
        raise web.seeother("/sorry")

    site.app.internalerror = internalerror
    assert site.request(add(then=ZeroDivisionError)).status.startswith("303")
    assert site.names() == []


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_rolls_back_and_goes_on(site, error):
    with pytest.raises(error):
        site.request(add(then=error))
    assert site.names() == []
    assert no_transaction()


def test_a_doomed_request_answers_and_rolls_back(site):
    def handler():
        Entry(name="a")
        doom()
        return "as if"

    assert site.request(handler).data == b"as if"
    assert site.names() == []


@pytest.mark.parametrize("vetoed", [True, False])
def test_a_veto_sees_status_and_headers_and_decides(make_site, vetoed):
    seen = []

    def veto(status, headers):
        seen.append((status, dict(headers)["X-Mark"]))
        return vetoed

    def handler():
        web.header("X-Mark", "1")
        Entry(name="a")
        raise web.notfound()

    site = make_site(commit_veto=veto)
    site.request(handler)
    assert seen == [("404 Not Found", "1")]
    assert site.names() == ([] if vetoed else ["a"])


def test_a_request_without_queries_opens_no_connection(site):
    opened = []

    def handler():
        opened.append(begun())
        Entry(name="a")
        opened.append(begun())

    site.request(lambda: opened.append(begun()))
    site.request(handler)
    assert opened == [False, False, True]


def test_a_sub_application_joins_the_transaction(site):
    class Inner:
        def POST(self):
            Entry(name="b")
            return "inner"

    inner = web.application(("/add", Inner))
    inner.add_processor(site.processor)

    def outer(handler):
        Entry(name="a")
        result = handler()
        assert site.names() == []
        return result

    app = web.application(("/inner", inner))
    app.add_processor(site.processor)
    app.add_processor(outer)
    assert app.request("/inner/add", method="POST").data == b"inner"
    assert site.names() == ["a", "b"]


def test_ending_the_transaction_by_hand_is_refused_with_the_cure(site):
    def handler():
        for method in ("commit", "rollback", "begin", "transaction", "close"):
            with pytest.raises(RuntimeError, match="request"):
                getattr(sqlhub.threadConnection, method)()
        return "refused"

    assert site.request(handler).data == b"refused"


def test_without_a_request_the_processor_opens_a_regular_connection(site):
    site.processor()
    try:
        Entry(name="a")
        assert site.names() == ["a"]
        assert [entry.name for entry in Entry.select()] == ["a"]
    finally:
        del sqlhub.processConnection
