"""When a handler is run again, from a clean start, and when that is given up."""

import contextlib
import io

import pytest
import web
from sqlobject import dberrors, sqlhub

from app.transactions import runs, savepoint
from tests.contract.busy import Busy
from tests.contract.internals import is_writing
from tests.contract.site import Entry, add


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


def uploads():
    form = b"--x\r\nContent-Disposition: form-data; name=f; filename=n\r\n\r\nbytes\r\n--x--\r\n"
    return {
        "CONTENT_TYPE": "multipart/form-data; boundary=x",
        "CONTENT_LENGTH": str(len(form)),
        "wsgi.input": io.BytesIO(form),
    }


def test_a_conflict_is_run_again_with_the_whole_upload(make_site):
    site = make_site(timeout=0.01)
    busy = Busy(site)
    seen = []

    def handler():
        busy.impatient(sqlhub.threadConnection)
        seen.append(web.input(f={}).f.file.read())
        if len(seen) == 3:
            busy.release()
        Entry(name="a")
        return "added"

    assert b"".join(site.start(handler, **uploads())) == b"added"
    assert seen == [b"bytes"] * 3
    assert site.names() == ["a"]


def test_a_handler_knows_which_of_its_runs_this_is(make_site):
    site = make_site(timeout=0.01)
    busy = Busy(site)
    seen = []

    def conflicting():
        busy.impatient(sqlhub.threadConnection)
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
    busy = Busy(site)
    runs = []

    def handler():
        busy.impatient(sqlhub.threadConnection)
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
    busy = Busy(site)

    def handler():
        busy.impatient(sqlhub.threadConnection)
        return add()()

    assert site.request(handler).status.startswith("503")
    busy.release()


def test_a_duplicate_is_an_integrity_error_that_is_not_run_again(site):
    site.request(add("a"))
    runs = []

    def handler():
        runs.append(1)
        Entry(name="a")

    assert site.request(handler).status.startswith("500")
    with pytest.raises(dberrors.DuplicateEntryError):
        site.connection.query("INSERT INTO entry (name, number) VALUES ('a', 0)")
    assert runs == [1]


def insert(name):
    raw = sqlhub.threadConnection.getConnection()
    raw.cursor().execute(f"INSERT INTO entry (name, number) VALUES ('{name}', 0)")


@pytest.mark.parametrize("swallowed", [False, True])
def test_a_reading_request_that_writes_by_the_driver_s_connection_is_run_again(site, swallowed):
    kinds = []

    def handler():
        kinds.append(is_writing())
        with contextlib.suppress(Exception) if swallowed else contextlib.nullcontext():
            insert("a")
        return "added"

    assert site.request(handler, "GET").data == b"added"
    assert kinds == [False, True]
    assert site.names() == ["a"]


def test_an_error_of_the_driver_s_connection_is_the_handler_s(site):
    """On PostgreSQL it needs a savepoint, because the transaction can only be rolled back."""

    def handler():
        insert("a")
        with contextlib.suppress(site.connection.module.IntegrityError), savepoint():
            insert("a")
        return "kept"

    assert site.request(handler).data == b"kept"
    assert site.names() == ["a"]
