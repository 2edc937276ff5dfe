"""What a site under a real Apache tells of requests: the logs, the request's id, the metrics."""

import json
import re
import socket
import time

import httpx
import pytest

from scripts.lib.serving.own_site import daemon_user, make_folder, own_folder
from tests.apache.server import TOKEN, apache, debian_module, pypi_module


@pytest.fixture(scope="module", params=[pypi_module, debian_module], ids=["own", "Debian"])
def site(request):
    """The example with all logs and metrics on, under mod_wsgi 4.9.4 and 6."""
    with own_folder("metrics-") as folder:
        settings = {
            "SITE_REQUEST_LOG": "on",
            "SITE_SLOW_SECONDS": "0.000001",
            "SITE_METRICS": str(make_folder(folder / "metrics", daemon_user())),
        }
        module, defines = request.param(), {"WEBPY_JSON_LOG": 1}
        with apache(settings=settings, module=module, defines=defines) as running:
            # Only mod_wsgi 6 tells how busy its threads are, and knows levels.
            running.tells_more = request.param is pypi_module
            yield running


def lines(site, path, identity=None):
    """The access log's objects for `path`, and of that request where it is given, once there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        text = (site.server.directory / f"{site.server.name}-access.log").read_text()
        found = [one for one in map(json.loads, text.splitlines()) if one["path"] == path]
        found = [one for one in found if identity in (None, one["id"])]
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no line for {path}")


def test_a_reading_request_is_a_json_object_with_its_runs(site):
    answer = httpx.get(f"{site.url}/api/users/1?first=1", headers={"User-Agent": b'a "b" \\ \xe9'})
    [line] = lines(site, "/api/users/1")
    assert line["id"] == answer.headers["X-Request-ID"]
    assert (line["method"], line["query"], line["status"]) == ("GET", "first=1", 200)
    assert line["bytes"] == len(answer.content)
    assert line["agent"].startswith("a%20%22b%22%20%5c%20")
    assert (line["runs"], line["ends"]) == (1, "committed")
    assert line["process"] in site.pids()
    assert 0 < line["database_microseconds"] < line["microseconds"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4}", line["time"])


def test_kept_rows_are_counted_and_a_writing_request_has_its_run(site):
    for _ in range(40):
        httpx.get(f"{site.url}/api/users/2")
    assert {line["kept"] for line in lines(site, "/api/users/2")} >= {0, 1}
    user = {"name": "watched", "fullname": "W", "password": "a password"}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.post(f"{site.url}/api/users", json=user, headers=headers).status_code == 201
    [line] = lines(site, "/api/users")
    assert (line["runs"], line["ends"], line["kept"]) == (1, "committed", 0)


def test_no_client_sees_what_the_log_is_told(site):
    for path in ("/", "/view", "/nothing", "/static/style.css", "/api/users/999"):
        names = {name.lower() for name in httpx.get(site.url + path).headers}
        assert not [name for name in names if name.startswith("site-")]


@pytest.mark.parametrize("path", ["/api/nothing", "/api/users/999"])
def test_the_id_is_in_the_header_in_the_problem_and_in_the_log(site, path):
    answer = httpx.get(site.url + path)
    identity = answer.headers["X-Request-ID"]
    assert answer.json()["request"] == identity
    assert len(lines(site, path, identity)) == 1


def test_static_files_and_apaches_own_answers_are_objects_too(site):
    httpx.get(f"{site.url}/static/style.css")
    httpx.get(f"{site.url}/.hidden")
    assert "runs" not in lines(site, "/static/style.css")[0]
    assert lines(site, "/.hidden")[0]["status"] == 403


@pytest.mark.parametrize(
    "request_line",
    [
        b'GET /quote"backslash\\tab HTTP/1.1',
        b"GET /bytes\xc3\xa9\xff HTTP/1.1",
        b'G"ET / HTTP/1.1',
        b"GET /%0a%22%5c HTTP/1.1",
        b"\x16\x03\x01 / HTTP/1.1",
        b"GET / HTTP/9.9",
        b"nothing",
    ],
)
def test_whatever_is_sent_each_line_stays_json(site, request_line):
    path = site.server.directory / f"{site.server.name}-access.log"
    before = len(path.read_text().splitlines())
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=20) as client:
        client.sendall(
            request_line + b'\r\nHost: a\r\nUser-Agent: \xff"\\\r\nConnection: close\r\n\r\n'
        )
        while client.recv(65536):
            pass
    deadline = time.monotonic() + 10
    while len(path.read_text().splitlines()) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    for line in path.read_text().splitlines()[before:]:
        json.loads(line)
    assert len(path.read_text().splitlines()) > before


def test_a_slow_request_is_in_the_error_log_with_its_id_its_level_and_its_runs(site):
    answer = httpx.get(f"{site.url}/api/users/3")
    id = re.escape(answer.headers["X-Request-ID"])
    found = re.search(rf"\[wsgi:(\w+)\] .*\[{id}\].*slow: GET (.*)", site.error_log())
    assert found[1] == ("warn" if site.tells_more else "error")
    assert re.match(
        r"'/api/users/3' answered 200 after 0\.\d+ s, 0\.\d+ s of them in the database; "
        r"runs: committed after \d+\.\d ms",
        found[2],
    )


def test_good_health_is_not_logged(site):
    httpx.get(f"{site.url}/healthz")
    httpx.get(f"{site.url}/readyz")
    httpx.get(f"{site.url}/view?after=health")
    text = (site.server.directory / f"{site.server.name}-access.log").read_text()
    lines(site, "/view")
    assert "/healthz" not in text and "/readyz" not in text


def test_the_metrics_are_of_all_processes(site):
    for _ in range(30):
        httpx.get(f"{site.url}/view")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        text = httpx.get(f"{site.url}/metrics").text
        if re.search(r"^site_processes [2-9]", text, re.MULTILINE):
            break
        time.sleep(0.2)
    assert re.search(r"^site_processes [2-9]", text, re.MULTILINE), text
    [count] = re.findall(
        r'^site_requests_total\{method="GET",route="/view",status="200"\} ([0-9.]+)', text, re.M
    )
    assert float(count) >= 30
    assert re.search(r'site_transactions_total\{end="committed",kind="reading"\} [1-9]', text)
    assert re.search(r"^site_connections [1-9]", text, re.M)
    assert bool(re.search(r"^site_threads [1-9]", text, re.M)) == site.tells_more


def test_nobody_behind_a_proxy_gets_the_metrics(site):
    answer = httpx.get(f"{site.url}/metrics", headers={"X-Forwarded-For": "127.0.0.1"})
    assert answer.status_code == 403
