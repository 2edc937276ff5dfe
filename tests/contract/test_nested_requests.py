"""A request inside a request: one transaction, in which the inner one can fail by itself."""

import copy

import pytest
import web
from sqlobject import dberrors, sqlhub

from app.transactions import doom, on_commit, on_rollback, reading, runs, savepoint
from tests.contract.busy import Busy
from tests.contract.internals import is_writing
from tests.contract.site import Entry, Site, add, inside, no_transaction


def asking(site, inner, method="POST", then=None):
    """A handler that adds "before", asks for `inner`, adds "after" and tells the inner status."""

    def handler():
        Entry(name="before")
        status = inside(site, inner, method).status
        if then:
            then()
        Entry(name="after")
        return status

    return handler


def test_what_an_inner_request_writes_is_committed_with_the_outer_one(site):
    def inner():
        assert {entry.name for entry in Entry.select()} == {"before"}
        return add("inner")()

    response = site.request(asking(site, inner))
    assert (response.status, response.data) == ("200 OK", b"200 OK")
    assert site.names() == ["before", "inner", "after"]
    assert no_transaction()


def test_what_an_inner_request_writes_is_not_committed_before_the_outer_one(site):
    seen = []
    site.request(asking(site, add("inner"), then=lambda: seen.append(site.names())))
    assert seen == [[]]


def test_an_inner_request_is_undone_with_the_outer_one(site):
    called = []

    def inner():
        on_commit(lambda: called.append("inner"))
        return add("inner")()

    assert site.request(asking(site, inner, then=lambda: 1 / 0)).status.startswith("500")
    assert site.request(asking(site, inner, then=doom)).status.startswith("200")
    assert site.names() == []
    assert called == []


def error_page():
    web.ctx.status = "502 Bad Gateway"
    return "as a page of its own"


def swallow():
    try:
        Entry(name="before")
    except dberrors.DuplicateEntryError:
        return "as if"


def swallow_and_redirect():
    swallow()
    raise web.seeother("/done")


def swallow_and_refuse():
    swallow()
    raise web.conflict()


def doomed_redirect():
    doom()
    raise web.seeother("/done")


def fail():
    raise ZeroDivisionError


def fail_by_status():
    raise web.internalerror("out of order")


def fail_late():
    yield "first"
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("inner", "status"),
    [
        (fail, "500"),
        (fail_by_status, "500"),
        (fail_late, "500"),
        (error_page, "502"),
        (swallow, "500"),
        (swallow_and_redirect, "500"),
        (swallow_and_refuse, "409"),
        (doom, "200"),
        (doomed_redirect, "303"),
    ],
)
def test_an_inner_request_that_fails_is_undone_alone(site, inner, status):
    called = []

    def handler():
        Entry(name="inner")
        on_commit(lambda: called.append("committed"))
        on_rollback(lambda: called.append("rolled back"))
        return inner()

    response = site.request(asking(site, handler))
    assert response.status == "200 OK"
    assert response.data.decode()[:3] == status
    assert site.names() == ["before", "after"]
    assert called == ["rolled back"]


def test_an_inner_request_may_be_vetoed_alone(make_site):
    site = make_site(commit_veto=lambda status, headers: ("X-Veto", "1") in headers)

    def inner():
        Entry(name="inner")
        web.header("X-Veto", "1")

    site.request(asking(site, inner))
    assert site.names() == ["before", "after"]


@pytest.mark.parametrize("then", [lambda: web.seeother("/done"), web.notfound])
def test_what_an_inner_request_below_500_did_stays(site, then):
    site.request(asking(site, add("inner", then)))
    assert site.names() == ["before", "inner", "after"]


def test_an_inner_request_s_generator_writes_in_the_outer_transaction(site):
    def inner():
        yield "first"
        Entry(name="inner")
        yield "second"

    def handler():
        return inside(site, inner).data

    assert site.request(handler).data == b"firstsecond"
    assert site.names() == ["inner"]


def test_what_an_inner_request_gives_to_on_commit_is_called_once_after_the_outer_commit(site):
    seen = []

    def inner():
        on_commit(lambda: seen.append(site.names()))
        return ""

    site.request(asking(site, inner))
    assert seen == [["before", "after"]]


def test_a_post_inside_a_get_makes_it_a_writing_request(site):
    seen = []

    def handler():
        seen.append((runs(), is_writing()))
        Entry.select().count()
        return inside(site, add("inner")).status

    assert site.request(handler, "GET").data == b"200 OK"
    assert seen == [(1, False), (2, True)]
    assert site.names() == ["inner"]


def test_a_get_inside_a_post_sees_what_it_has_written_and_may_write(site):
    @reading
    def inner():
        assert is_writing()
        return add(str(Entry.selectBy(name="before").count()))()

    assert site.request(asking(site, inner, "GET")).data == b"200 OK"
    assert site.names() == ["before", "1", "after"]


def test_a_conflict_inside_an_inner_request_runs_the_outer_one_again(make_site):
    site = make_site(timeout=0.01)
    busy = Busy(site)
    seen = []

    def inner():
        busy.impatient(sqlhub.threadConnection)
        Entry(name="a")
        return "added"

    def handler():
        seen.append(runs())
        if len(seen) == 3:
            busy.release()
        response = inside(site, inner)
        return response.status + response.data.decode()

    assert site.request(handler).data == b"200 OKadded"
    assert seen == [1, 2, 3]
    assert site.names() == ["a"]


def test_an_inner_request_s_answer_is_no_200_where_its_run_has_come_to_nothing(site):
    seen = []

    def handler():
        seen.append(inside(site, add("inner"), "GET").status)
        return seen[-1]

    assert site.request(handler, "GET").data == b"200 OK"
    assert seen == ["503 Service Unavailable", "200 OK"]
    assert site.names() == ["inner"]


def test_an_inner_request_of_an_inner_request_is_undone_alone(site):
    def inner():
        Entry(name="inner")
        return inside(site, add("innermost", lambda: ZeroDivisionError)).status

    site.request(asking(site, inner))
    assert site.names() == ["before", "inner", "after"]


def test_an_inner_request_inside_a_savepoint_is_undone_with_it(site):
    def handler():
        try:
            with savepoint():
                inside(site, add("inner"))
                raise ZeroDivisionError
        except ZeroDivisionError:
            Entry(name="after")

    site.request(handler)
    assert site.names() == ["after"]


def other_application(site):
    """Another application with the processor, whose route is that of the first."""
    other = web.application()
    other.mapping, other.internalerror = site.app.mapping, site.app.internalerror
    other.add_processor(site.processor)
    return other


def test_another_application_with_the_processor_joins(site):
    other = copy.copy(site)
    other.app = other_application(site)
    site.request(asking(other, add("inner")))
    site.request(asking(other, add("no"), then=lambda: 1 / 0))
    assert site.names() == ["before", "inner", "after"]


def test_another_application_that_is_called_with_the_same_environ_is_undone_alone(site):
    other = other_application(site).wsgifunc()

    def inner():
        Entry(name="inner")
        raise ZeroDivisionError

    def handler():
        if web.ctx.env.get("inner"):
            return inner()
        before, environ = web.ctx.__dict__.copy(), web.ctx.env
        environ["inner"] = True
        answer = b"".join(other(environ, lambda *_: None))
        web.ctx.__dict__.update(before)
        Entry(name="after")
        return answer

    assert site.request(handler).status == "200 OK"
    assert site.names() == ["after"]


def test_a_sub_application_is_a_part_of_the_request(site):
    main = web.application(("/sub", other_application(site)))
    main.add_processor(site.processor)
    site.app = main
    assert main.request("/sub/", "POST", env={"tests.handler": add("a")}).data == b"added"
    assert site.names() == ["a"]


def test_an_application_with_another_database_is_refused_inside_a_request(site, server):
    other = Site(server, server.new_database())

    def handler():
        Entry(name="a")
        return inside(other, add("b")).status

    assert site.request(handler).data.startswith(b"500")
    assert (site.names(), other.names()) == (["a"], [])
    other.connection.close()


def test_a_handler_that_does_not_put_web_ctx_back_is_not_acknowledged(site):
    def handler():
        Entry(name="a")
        site.request(add("b"))
        return "as if"

    with pytest.raises(AttributeError):
        site.request(handler)
    assert site.names() == []
    assert no_transaction()
