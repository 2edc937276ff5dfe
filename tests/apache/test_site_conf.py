"""apache/site.conf serves the application: processes, threads, static files, limits, headers."""

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.apache.server import apache, with_script

HANDLERS = """
import os, threading, time, web

urls = ("/who", "Who", "/length", "Length", "/authorization", "Authorization")

class Who:
    def GET(self):
        time.sleep(0.05)
        return f"{os.getpid()} {threading.get_ident()} {os.getcwd()} {os.getuid()}"

class Length:
    def POST(self):
        return str(len(web.data()))

class Authorization:
    def GET(self):
        return web.ctx.env.get("HTTP_AUTHORIZATION", "none")

application = web.application(urls, globals()).wsgifunc()
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """Handlers that tell how they are run, under 3 processes x 4 threads."""
    root = with_script(tmp_path_factory.mktemp("probe"), HANDLERS)
    static = root / "app" / "static"
    static.mkdir(parents=True)
    (static / "style.css").write_text("body { margin: 0 }")
    (static / ".style.css.swp").write_text("an editor's")
    (root / "app" / "secret.py").write_text("SECRET = 1")
    with apache(app_root=root, processes=3, threads=4) as running:
        yield running


def test_requests_run_in_every_process_and_several_threads(probe):
    seen = set()
    deadline = time.monotonic() + 60
    with ThreadPoolExecutor(12) as pool, httpx.Client(base_url=probe.url) as client:
        while time.monotonic() < deadline:
            for answer in pool.map(lambda _: client.get("/who").text, range(48)):
                seen.add(tuple(answer.split()[:2]))
            processes = {int(process) for process, _ in seen}
            if processes == probe.pids() and len(seen) > 2 * len(processes):
                break
    assert processes == probe.pids()
    assert len(processes) == 3
    assert len(seen) > 6


def test_daemon_runs_in_the_root_and_not_as_root(probe):
    _, _, folder, user = httpx.get(probe.url + "/who").text.split()
    assert folder == str(probe.root)
    assert int(user) == (os.getuid() or probe.data.stat().st_uid)
    assert int(user) != 0


def test_static_file_is_served_by_apache_and_revalidated(probe):
    first = httpx.get(probe.url + "/static/style.css")
    assert first.status_code == 200
    assert first.headers["Content-Type"] == "text/css"
    assert first.headers["Cache-Control"] == "no-cache"
    etag = first.headers["ETag"]
    again = httpx.get(probe.url + "/static/style.css", headers={"If-None-Match": etag})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/static/.style.css.swp",
        "/static/",
        "/static/..%2fsecret.py",
        "/.git/config",
        "/static/%2e%2e/secret.py",
    ],
)
def test_no_other_file_can_be_fetched(probe, path):
    answer = httpx.get(probe.url + path)
    assert answer.status_code in (400, 403, 404)
    assert "SECRET" not in answer.text


def test_body_in_chunks_arrives_whole(probe):
    answer = httpx.post(probe.url + "/length", content=iter([b"a" * 7000, b"b" * 3000]))
    assert (answer.status_code, answer.text) == (200, "10000")


def test_body_beyond_the_limit_gets_413(probe):
    assert httpx.post(probe.url + "/length", content=b"x" * 2097153).status_code == 413
    assert httpx.post(probe.url + "/length", content=b"x" * 2097152).text == "2097152"


def test_authorization_reaches_the_application(probe):
    answer = httpx.get(probe.url + "/authorization", headers={"Authorization": "Bearer abc"})
    assert answer.text == "Bearer abc"


def test_trace_is_off(probe):
    assert httpx.request("TRACE", probe.url + "/who").status_code == 405


@pytest.mark.parametrize("path", ["/who", "/missing", "/static/style.css", "/static/missing"])
def test_security_headers_are_on_every_answer_once(probe, path):
    headers = httpx.get(probe.url + path).headers
    policy = headers.get_list("Content-Security-Policy")
    assert len(policy) == 1
    assert "default-src 'self'" in policy[0]
    assert "frame-ancestors 'none'" in policy[0]
    assert "unsafe" not in policy[0]
    assert headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert headers.get_list("Referrer-Policy") == ["same-origin"]
    assert headers.get_list("Cross-Origin-Opener-Policy") == ["same-origin"]
    assert headers.get_list("Cross-Origin-Resource-Policy") == ["same-origin"]
    assert len(headers.get_list("Permissions-Policy")) == 1
    assert "Strict-Transport-Security" not in headers
    assert headers["Server"] == "Apache"


def test_site_answers_head_as_get_without_a_body(site):
    got, head = httpx.get(site.url + "/view"), httpx.head(site.url + "/view")
    assert (got.status_code, head.status_code) == (200, 200)
    assert head.content == b""
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_security_headers_are_on_the_sites_own_pages_once(site):
    headers = httpx.get(site.url + "/").headers
    assert len(headers.get_list("Content-Security-Policy")) == 1
    assert headers.get_list("X-Content-Type-Options") == ["nosniff"]


def test_a_request_without_a_version_is_refused(site):
    with socket.create_connection(("127.0.0.1", site.server.port), 10) as client:
        client.sendall(b"GET /healthz\r\n\r\n")
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"X-Content-Type-Options: nosniff" in answer
