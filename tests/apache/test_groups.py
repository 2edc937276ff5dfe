"""Writing requests have their own processes: they take no thread from reading requests."""

import contextlib
import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from scripts.lib.serving.daemons import daemon_pids, groups
from tests.apache.raw import answer, connect, head
from tests.apache.server import apache, debian_module, pypi_module, with_script

# Seconds. Below the 15 that a body may take, and the minute that a writer waits for the database.
ANSWERED = 10
MANY = 20

HANDLERS = """
import time, web

urls = ("/group", "Group", "/api/sleep", "Sleep", "/sleep", "Sleep")

class Group:
    def GET(self):
        return web.ctx.env["mod_wsgi.process_group"]
    POST = PUT = PATCH = DELETE = OPTIONS = HEAD = PURGE = GET

class Sleep:
    def GET(self):
        for _ in range(200):
            time.sleep(0.1)
        return "slept"
    POST = GET

application = web.application(urls, globals()).wsgifunc()
"""


@pytest.fixture(scope="module")
def handlers(tmp_path_factory):
    """The folder of an application of these handlers."""
    return with_script(tmp_path_factory.mktemp("handlers"), HANDLERS)


def read_all(site):
    with httpx.Client(base_url=site.url, timeout=ANSWERED) as client:
        for path in ("/healthz", "/", "/view", "/api/users", "/static/style.css"):
            assert client.get(path).status_code == 200
            assert client.head(path).status_code == 200


def add(site, number):
    user = {"name": f"added-{number}", "fullname": "A", "password": "a long password"}
    headers = {"Authorization": f"Bearer {site.token}"}
    return httpx.post(f"{site.url}/api/users", headers=headers, json=user, timeout=90).status_code


def test_slow_bodies_stop_no_page(guarded):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(guarded)) for _ in range(MANY)]
        for connection in slow:
            kind = "Content-Type: application/x-www-form-urlencoded"
            connection.sendall(head("POST", "/add", kind, "Content-Length: 8000") + b"a")
        # Now all threads of the writers are taken.
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(guarded.url + "/add", data={"a": "b"}, timeout=2)
        read_all(guarded)


def test_slow_bodies_of_reading_methods_stop_no_page(guarded):
    with contextlib.ExitStack() as stack:
        for length in ("Content-Length: 8000", "Transfer-Encoding: chunked"):
            for _ in range(MANY // 2):
                connection = stack.enter_context(connect(guarded))
                connection.sendall(head("GET", "/view", length) + b"1")
        time.sleep(0.5)
        read_all(guarded)


def test_a_writer_that_hangs_and_many_that_wait_stop_no_page(guarded):
    database = sqlite3.connect(guarded.data / "site.db", isolation_level=None, timeout=30)
    with contextlib.closing(database), ThreadPoolExecutor(MANY) as pool:
        database.execute("BEGIN IMMEDIATE")
        writers = [pool.submit(add, guarded, number) for number in range(12)]
        time.sleep(1)
        assert not any(writer.done() for writer in writers)
        read_all(guarded)
        assert not any(writer.done() for writer in writers)
        database.execute("ROLLBACK")
        assert [writer.result() for writer in writers] == [201] * 12


def test_the_method_and_the_body_choose_the_group(handlers):
    with apache(handlers, processes=1, threads=2, path="/group") as site:
        said = {
            method: httpx.request(method, site.url + "/group").text
            for method in ("GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PURGE")
        }
        assert {said.pop("GET"), said.pop("OPTIONS")} == {"webpy-site"}
        assert set(said.values()) == {"webpy-site-post"}
        assert "Vary" not in httpx.get(site.url + "/group").headers
        for headers, group in (
            ({"Content-Length": "0"}, "webpy-site"),
            ({"Content-Length": "1"}, "webpy-site-post"),
            ({"Content-Length": "10"}, "webpy-site-post"),
            ({"Transfer-Encoding": "chunked"}, "webpy-site-post"),
        ):
            lines = [f"{name}: {value}" for name, value in headers.items()]
            with connect(site) as connection:
                body = b"0\r\n\r\n" if "Transfer-Encoding" in headers else b"x" * 10
                connection.sendall(head("GET", "/group", *lines) + body)
                assert answer(connection)[2].decode() == group, headers
        assert groups(site.process.pid) == {("wsgi", "webpy-site"), ("post", "webpy-site")}


def test_with_one_group_all_requests_share_it(handlers):
    defines = {"WEBPY_ONE_GROUP": 1}
    with apache(handlers, processes=1, threads=2, path="/group", defines=defines) as site:
        assert httpx.post(site.url + "/group").text == "webpy-site"
        assert groups(site.process.pid) == {("wsgi", "webpy-site")}


def test_a_request_is_interrupted_after_its_limit(handlers):
    """The option is 2 s: with 6 s it would be 15.7 s."""
    defines = {"WEBPY_REQUEST_TIMEOUT": 6}
    with apache(handlers, processes=1, path="/group", defines=defines) as site:
        begin = time.monotonic()
        said = httpx.get(site.url + "/sleep", timeout=60)
        assert 4 < time.monotonic() - begin < 12
        # web.py turns any exception into 500.
        assert said.status_code == 500
        assert "Injected RequestTimeout" in site.error_log()


def test_a_write_that_is_not_answered_in_time_has_an_unknown_outcome(handlers):
    defines = {"WEBPY_ANSWER_TIMEOUT": 1}
    with apache(handlers, processes=1, path="/group", defines=defines) as site:
        told, page, read = (
            httpx.request(method, site.url + path, timeout=60)
            for method, path in (("POST", "/api/sleep"), ("POST", "/sleep"), ("GET", "/sleep"))
        )
    assert (told.status_code, page.status_code, read.status_code) == (504, 504, 504)
    assert told.headers["Content-Type"] == "application/problem+json"
    assert told.json()["type"] == "/problems/outcome-unknown"
    assert told.json()["status"] == 504
    assert "<h1>Outcome unknown</h1>" in page.text
    assert "<h1>Gateway Timeout</h1>" in read.text


@pytest.mark.parametrize("module", [pypi_module, debian_module], ids=["own", "Debian"])
def test_a_write_whose_process_dies_has_an_unknown_outcome(handlers, module):
    with (
        apache(handlers, processes=1, threads=2, path="/group", module=module()) as site,
        ThreadPoolExecutor(1) as pool,
    ):
        assert httpx.post(site.url + "/group").status_code == 200
        asked = pool.submit(httpx.post, site.url + "/api/sleep", timeout=60)
        # Time to arrive; otherwise the answer would be of another kind.
        time.sleep(1)
        for pid in daemon_pids(site.process.pid, site.server.name, "post"):
            os.kill(pid, signal.SIGKILL)
        told = asked.result()
    assert told.status_code in (500, 502)
    assert told.headers["Content-Type"] == "application/problem+json"
    assert told.json()["type"] == "/problems/outcome-unknown"
