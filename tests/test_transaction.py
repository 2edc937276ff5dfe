"""When a request's transaction begins and how it ends, on a real SQLite file."""

import io
import sqlite3
import threading

import pytest
import web
from sqlobject import IntCol, SQLObject, StringCol, dberrors, sqlhub

from app.transactions.processor import doom, on_commit, runs, savepoint, transaction_per_request
from app.transactions.request import OutsideItsRequest


class Entry(SQLObject):
    name = StringCol(alternateID=True, length=50)
    number = IntCol(default=0)


class Site:
    """A web.py application with one route whose handler a test gives, on a database of its own."""

    def __init__(self, uri, **options):
        self.path = uri.removeprefix("sqlite://")
        self.processor = transaction_per_request(uri, **options)
        self.processor()
        self.connection = sqlhub.processConnection
        Entry.createTable(ifNotExists=True)
        del sqlhub.processConnection
        self.handler = None
        site = self

        class Handler:
            def GET(self):
                return site.handler()

            POST = GET

        self.app = web.application(("/", Handler))
        self.app.add_processor(self.processor)
        self.app.internalerror = web.webapi._InternalError

    def request(self, handler, method="POST", **more):
        self.handler = handler
        return self.app.request("/", method=method, **more)

    def names(self):
        """The names in the database, as another connection sees them."""
        with sqlite3.connect(self.path) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM entry ORDER BY id")]
        connection.close()
        return names


@pytest.fixture
def make_site(tmp_path):
    def make(**options):
        return Site(f"sqlite://{tmp_path}/site.db", **options)

    yield make
    if hasattr(sqlhub.threadingLocal, "connection"):
        del sqlhub.threadConnection


@pytest.fixture
def site(make_site):
    return make_site()


def add(name="a", then=None):
    def handler():
        Entry(name=name)
        if then:
            raise then()
        return "added"

    return handler


def no_transaction():
    return not hasattr(sqlhub.threadingLocal, "connection")


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


def test_a_generator_is_inside_the_transaction_and_commits_at_its_end(site):
    def handler():
        Entry(name="a")
        yield "first"
        assert site.names() == []
        Entry(name="b")
        yield "second"

    assert site.request(handler).data == b"firstsecond"
    assert site.names() == ["a", "b"]
    assert no_transaction()


def test_a_generator_without_chunks_commits(site):
    def handler():
        Entry(name="a")
        return
        yield

    assert site.request(handler).data == b""
    assert site.names() == ["a"]


def test_a_generator_that_raises_later_rolls_back(site):
    def handler():
        Entry(name="a")
        yield "first"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        site.request(handler)
    assert site.names() == []
    assert no_transaction()


def test_a_generator_that_raises_at_once_is_answered_500(site):
    def handler():
        Entry(name="a")
        raise ZeroDivisionError
        yield

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


@pytest.mark.parametrize("chunks", [0, 1])
def test_a_generator_that_is_dropped_rolls_back(site, chunks):
    def handler():
        Entry(name="a")
        yield "first"
        yield "second"

    site.handler = handler
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO()}
    answer = site.app.wsgifunc()(environ, lambda *_: None)
    for _ in range(chunks):
        next(answer)
    del answer
    assert site.names() == []
    assert no_transaction()


def test_the_next_request_is_not_joined_to_an_answer_that_was_left_unread(site):
    def handler():
        Entry(name="a")
        yield "first"
        yield "second"

    site.handler = handler
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO()}
    unread = site.app.wsgifunc()(environ, lambda *_: None)
    assert site.request(add("b")).data == b"added"
    assert site.names() == ["b"]
    del unread


def test_a_get_that_writes_is_run_again_as_a_writing_request_from_a_clean_start(site):
    runs = []

    def handler():
        web.header("X-Run", "1")
        web.ctx.status = "202 Accepted"
        runs.append(web.ctx.get("mark"))
        web.ctx.mark = "left from the first run"
        return add()()

    response = site.request(handler, "GET")
    assert runs == [None, None]
    assert response.status == "202 Accepted"
    assert [name for name, _ in response.header_items].count("X-Run") == 1
    assert site.names() == ["a"]


def test_a_swallowed_refusal_is_still_run_again(site):
    runs = []

    def handler():
        runs.append(1)
        try:
            Entry(name="a")
        except Exception:
            return "swallowed"
        return "added"

    assert site.request(handler, "GET").data == b"added"
    assert len(runs) == 2
    assert site.names() == ["a"]


def test_a_reading_request_sees_one_snapshot(site):
    site.request(add("a"))
    seen = []

    def handler():
        seen.append(Entry.select().count())
        with sqlite3.connect(site.path) as other:
            other.execute("INSERT INTO entry (name) VALUES ('b')")
        other.close()
        seen.append(Entry.select().count())

    site.request(handler, "GET")
    assert seen == [1, 1]
    assert site.names() == ["a", "b"]


def test_a_request_without_queries_opens_no_connection(site):
    opened = []

    def handler():
        opened.append(sqlhub.threadConnection._raw)
        return "no database"

    site.request(handler, "POST")
    assert opened == [None]


def uploads():
    form = b"--x\r\nContent-Disposition: form-data; name=f; filename=n\r\n\r\nbytes\r\n--x--\r\n"
    return {
        "CONTENT_TYPE": "multipart/form-data; boundary=x",
        "CONTENT_LENGTH": str(len(form)),
        "wsgi.input": io.BytesIO(form),
    }


class Busy:
    """Another connection that holds the write lock until it has refused `times` begins."""

    def __init__(self, path):
        self.raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.raw.execute("BEGIN IMMEDIATE")

    def release(self):
        self.raw.execute("ROLLBACK")
        self.raw.close()


def test_a_conflict_is_run_again_with_the_whole_upload(make_site):
    site = make_site(timeout=0.01)
    busy = Busy(site.path)
    seen = []

    def handler():
        seen.append(web.input(f={}).f.file.read())
        if len(seen) == 3:
            busy.release()
        Entry(name="a")
        return "added"

    site.handler = handler
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", **uploads()}
    answer = b"".join(site.app.wsgifunc()(environ, lambda *_: None))
    assert answer == b"added"
    assert seen == [b"bytes"] * 3
    assert site.names() == ["a"]


def test_a_handler_knows_which_of_its_runs_this_is(make_site):
    site = make_site(timeout=0.01)
    busy = Busy(site.path)
    seen = []

    def conflicting():
        seen.append(runs())
        if len(seen) == 3:
            busy.release()
        Entry(name="a")

    site.request(conflicting)
    assert seen == [1, 2, 3]
    seen.clear()

    def writing():
        seen.append(runs())
        Entry(name="b")

    site.request(writing, "GET")
    assert seen == [1, 2]
    assert runs() == 1


def test_a_conflict_without_end_is_answered_503_with_retry_after(make_site):
    site = make_site(timeout=0.01, attempts=3)
    busy = Busy(site.path)
    runs = []

    def handler():
        runs.append(1)
        web.header("X-Run", "1")
        try:
            Entry(name="a")
        except Exception:
            return "swallowed"

    response = site.request(handler)
    busy.release()
    assert response.status == "503 Service Unavailable"
    assert response.headers["Retry-After"] == "1"
    assert "X-Run" not in response.headers
    assert len(runs) == 3
    assert site.names() == []


def test_no_new_try_begins_after_the_retry_seconds(make_site):
    site = make_site(timeout=0.01, attempts=1000, retry_seconds=0.1)
    busy = Busy(site.path)
    assert site.request(add()).status.startswith("503")
    busy.release()


def test_a_swallowed_database_error_is_not_acknowledged(site):
    site.request(add("a"))

    def handler():
        Entry(name="b")
        try:
            Entry(name="a")
        except dberrors.DuplicateEntryError:
            return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == ["a"]


def test_a_4xx_after_a_database_error_is_the_answer_and_rolls_back(site):
    site.request(add("a"))

    def handler():
        Entry(name="b")
        try:
            Entry(name="a")
        except dberrors.DuplicateEntryError:
            raise web.conflict() from None

    assert site.request(handler).status.startswith("409")
    assert site.names() == ["a"]


def test_a_swallowed_error_turned_into_a_redirect_answers_500_without_its_location(site):
    site.request(add("a"))

    def handler():
        try:
            Entry(name="a")
        except dberrors.DuplicateEntryError:
            raise web.seeother("/done") from None

    response = site.request(handler)
    assert response.status.startswith("500")
    assert "Location" not in response.headers


def test_a_savepoint_lets_a_handler_go_on_after_an_error_it_expects(site):
    site.request(add("a"))

    def handler():
        mine = Entry(name="b", number=1)
        try:
            with savepoint():
                mine.number = 2
                Entry(name="a")
        except dberrors.DuplicateEntryError:
            return str(mine.number)

    assert site.request(handler).data == b"1"
    assert site.names() == ["a", "b"]


def test_a_transaction_that_sqlite_has_ended_is_not_acknowledged(site):
    def handler():
        Entry(name="a")
        # What SQLite does by itself on a full disk or an I/O error.
        sqlhub.threadConnection._raw.execute("ROLLBACK")
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


def test_a_full_disk_is_not_acknowledged(site):
    def handler():
        raw = sqlhub.threadConnection.getConnection()
        Entry(name="a")
        (pages,) = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count={pages}")
        try:
            for number in range(1000):
                Entry(name=f"{number}".rjust(50))
        except dberrors.OperationalError:
            pass
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


def test_functions_given_to_on_commit_run_in_turn_after_the_commit(site, caplog):
    seen = []

    def fails():
        raise ZeroDivisionError

    def handler():
        entry = Entry(name="a")
        on_commit(lambda: seen.append((entry.id, site.names(), no_transaction())))
        on_commit(fails)
        on_commit(lambda: seen.append("last"))
        return "added"

    assert site.request(handler).data == b"added"
    assert seen == [(1, ["a"], True), "last"]
    assert "ZeroDivisionError" in caplog.text


def test_functions_given_to_on_commit_run_once_though_the_handler_runs_twice(site):
    seen = []

    def handler():
        on_commit(lambda: seen.append(1))
        return add()()

    site.request(handler, "GET")
    assert seen == [1]


@pytest.mark.parametrize("end", [doom, lambda: 1 / 0])
def test_functions_given_to_on_commit_do_not_run_on_a_rollback(site, end):
    seen = []

    def handler():
        Entry(name="a")
        on_commit(lambda: seen.append(1))
        end()

    site.request(handler)
    assert seen == []


def test_on_commit_outside_a_request_runs_at_once_and_the_others_raise():
    seen = []
    on_commit(lambda: seen.append(1))
    assert seen == [1]
    with pytest.raises(RuntimeError, match="outside a request"):
        doom()
    with pytest.raises(RuntimeError, match="outside a request"):
        savepoint()


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


def test_a_leaked_instance_fails_loudly_after_its_request(site):
    leaked = []
    site.request(lambda: leaked.append(Entry(name="a")))
    site.request(lambda: leaked.append(Entry.get(1)), "GET")
    site.request(lambda: leaked.extend(Entry.select()), "GET")
    assert len(leaked) == 3
    for use in (lambda e: e.name, lambda e: e.sync(), lambda e: e.set(number=2)):
        for entry in leaked:
            with pytest.raises(OutsideItsRequest, match="after the request"):
                use(entry)

            def in_another_request(entry=entry, use=use):
                with pytest.raises(OutsideItsRequest, match="after the request"):
                    use(entry)
                return "seen"

            assert site.request(in_another_request).data == b"seen"
    assert [entry.id for entry in leaked] == [1, 1, 1]


def test_an_instance_used_by_another_thread_during_its_request_fails_loudly(site):
    site.request(add())
    seen = []

    def use(entry, function):
        try:
            function(entry)
        except OutsideItsRequest as error:
            seen.append("another thread" in str(error))

    def handler():
        entry = Entry.get(1)
        for function in (lambda e: e.name, lambda e: e.sync(), lambda e: e.set(number=2)):
            thread = threading.Thread(target=use, args=(entry, function))
            thread.start()
            thread.join()
        return entry.name

    assert site.request(handler, "GET").data == b"a"
    assert seen == [True] * 3


def test_ending_the_transaction_by_hand_is_refused_with_the_cure(site):
    def handler():
        for method in ("commit", "rollback", "begin", "transaction", "close"):
            with pytest.raises(RuntimeError, match="request"):
                getattr(sqlhub.threadConnection, method)()
        return "refused"

    assert site.request(handler).data == b"refused"


def test_a_cursor_left_open_does_not_hold_the_old_snapshot(site):
    for name in "abc":
        site.request(add(name))
    kept = []

    def handler():
        cursor = sqlhub.threadConnection.getConnection().cursor()
        kept.append(cursor.execute("SELECT * FROM entry"))
        kept[-1].fetchone()

    site.request(handler, "GET")
    site.request(add("d"))
    assert site.request(lambda: str(Entry.select().count()), "GET").data == b"4"


def test_without_a_request_the_processor_opens_a_regular_connection(site):
    site.processor()
    try:
        Entry(name="a")
        assert site.names() == ["a"]
        assert [entry.name for entry in Entry.select()] == ["a"]
    finally:
        del sqlhub.processConnection


@pytest.mark.parametrize("uri", ["oracle://db", "sqlite:/:memory:", "nonsense"])
def test_a_wrong_uri_is_refused_at_the_start(uri):
    with pytest.raises(ValueError):
        transaction_per_request(uri)


def test_what_a_crashed_handler_did_is_rolled_back_although_internalerror_raises(site):
    def internalerror():
        raise web.seeother("/sorry")

    site.app.internalerror = internalerror
    assert site.request(add(then=ZeroDivisionError)).status.startswith("303")
    assert site.names() == []
