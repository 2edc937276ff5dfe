"""Functions that are called after a rollback."""

import pytest
import web
from sqlobject import dberrors, sqlhub

from app.transactions import RunEnded, doom, on_commit, on_rollback, runs, savepoint
from tests.contract.busy import Busy
from tests.contract.site import NOT_ASKED, SERVERS, Entry, Site


@pytest.fixture
def seen():
    return []


@pytest.fixture
def audited(seen):
    """Return a handler that asks for an audit row and adds an Entry; then it calls `then()`."""

    def make(then=lambda: "added"):
        def audit():
            seen.append("rolled back")
            Entry(name="audit")

        def handler():
            on_rollback(audit)
            on_commit(lambda: seen.append("committed"))
            Entry(name="a")
            return then()

        return handler

    return make


def fail():
    raise ZeroDivisionError


def fail_by_status():
    web.ctx.status = "500 Internal Server Error"
    return "as a page"


def exit():
    raise SystemExit


def swallow():
    try:
        Entry(name="a")
    except dberrors.DuplicateEntryError:
        return "as if"


def fail_late():
    yield "first"
    raise ZeroDivisionError


@pytest.mark.parametrize("then", [fail, fail_by_status, doom, swallow, fail_late])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_rollback_is_told_once_and_what_it_calls_is_committed(site, audited, seen, then, method):
    def handler():
        yield from audited(then)()

    site.request(audited(then) if then is not fail_late else handler, method)
    assert seen == ["rolled back"]
    assert site.names() == ["audit"]


def test_an_exit_is_told(site, audited, seen):
    with pytest.raises(SystemExit):
        site.request(audited(exit))
    assert seen == ["rolled back"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_commit_is_not_told(site, audited, seen, method):
    site.request(audited(), method)
    assert seen == ["committed"]
    assert site.names() == ["a"]


def test_a_veto_is_told(make_site, audited, seen):
    make_site(commit_veto=lambda status, headers: True).request(audited())
    assert seen == ["rolled back"]


def test_a_run_that_is_followed_by_another_is_not_told(make_site, audited, seen):
    site = make_site(timeout=0.01)
    busy = Busy(site)

    def handler():
        busy.impatient(sqlhub.threadConnection)
        if runs() == 3:
            busy.release()
        return audited()()

    site.request(handler)
    assert seen == ["committed"]


def test_the_last_of_all_runs_is_told(make_site, seen):
    site = make_site(timeout=0.01, attempts=3)
    busy = Busy(site)

    def handler():
        busy.impatient(sqlhub.threadConnection)
        on_rollback(lambda: seen.append(runs()))
        Entry(name="a")

    assert site.request(handler).status.startswith("503")
    busy.release()
    assert seen == [1]


def test_what_it_calls_may_not_change_the_answer_and_a_failure_is_logged(site, audited, caplog):
    def handler():
        on_rollback(lambda: web.header("X-Late", "1"))
        on_rollback(web.seeother)
        on_rollback(exit)
        return audited(fail)()

    response = site.request(handler)
    assert response.status.startswith("500")
    assert "X-Late" not in response.headers
    assert "on_rollback" in caplog.text
    assert site.names() == ["audit"]


def test_what_a_savepoint_undoes_is_told_after_the_commit(site, seen):
    def handler():
        for name in ("kept", "undone"):
            try:
                with savepoint():
                    on_rollback(lambda name=name: seen.append((name, site.names())))
                    Entry(name=name)
                    assert name == "kept"
            except AssertionError:
                pass
        return "done"

    assert site.request(handler).data == b"done"
    assert seen == [("undone", ["kept"])]


def test_what_a_savepoint_undoes_is_told_once_where_all_is_rolled_back(site, seen):
    def handler():
        with pytest.raises(ZeroDivisionError), savepoint():
            with savepoint():
                on_rollback(lambda: seen.append("inner"))
            with pytest.raises(ZeroDivisionError), savepoint():
                on_rollback(lambda: seen.append("innermost"))
                raise ZeroDivisionError
            raise ZeroDivisionError
        raise ZeroDivisionError

    site.request(handler)
    assert seen == ["inner", "innermost"]


@pytest.mark.engines(*SERVERS)
def test_a_stream_that_was_sent_and_not_committed_is_told(make_site, seen):
    site = make_site(stream_writes=True, timeout=0.01)
    busy = Busy(site)

    def handler():
        on_rollback(lambda: seen.append("rolled back"))
        yield "first"
        busy.impatient(sqlhub.threadConnection)
        Entry(name="a")

    with pytest.raises(RunEnded):
        b"".join(site.start(handler))
    busy.release()
    assert seen == ["rolled back"]


@pytest.mark.engines(*NOT_ASKED)
def test_where_nobody_knows_of_a_commit_nothing_is_called(server, uri, proxy, audited, seen):
    site = Site(server, proxy.address(uri))

    def handler():
        proxy.cut_after = b"COMMIT"
        return audited()()

    assert site.request(handler).status.startswith("503")
    assert seen == []
    site.connection.close()


def test_outside_of_a_transaction_nothing_is_rolled_back_and_nothing_called(seen):
    on_rollback(lambda: seen.append(1))
    assert seen == []
