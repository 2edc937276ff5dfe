"""Behind a proxy: a trusted one is believed, what others say changes nothing."""

import secrets
import time

import httpx
import pytest

from tests.apache.conftest import PROXY, PROXY_MODULES
from tests.apache.server import apache, debian_module, pypi_module, with_script

SAID = {
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "www.example.org",
}

HANDLERS = """
import web

class Seen:
    def GET(self):
        return f"{web.ctx.home} {web.ctx.ip}"

    def POST(self):
        raise web.seeother("/there")

application = web.application(("/seen", "Seen"), globals()).wsgifunc()
"""


@pytest.fixture(scope="module", params=[pypi_module, debian_module], ids=["own", "Debian"])
def seen(request, tmp_path_factory):
    """Handlers that tell what they know of their client."""
    root = with_script(tmp_path_factory.mktemp("seen"), HANDLERS)
    defines = {"WEBPY_TRUSTED_PROXIES": "127.0.0.2/32", "WEBPY_PREFIX": "/wiki"}
    with apache(
        root, processes=1, threads=1, path="/wiki/seen", defines=defines, extra=PROXY_MODULES,
        module=request.param(),
    ) as running:  # fmt: skip
        yield running


def client(site, address):
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=site.url, transport=transport, timeout=30)


@pytest.fixture
def proxy(guarded):
    with client(guarded, PROXY) as made:
        yield made


@pytest.fixture
def stranger(guarded):
    with client(guarded, "127.0.0.3") as made:
        yield made


def logged(site, http, headers=None):
    """The access log's line of a request that it sends."""
    mark = f"/view?{secrets.token_hex(8)}"
    assert http.get(mark, headers=headers).status_code == 200
    log = site.server.directory / "webpy-site-access.log"
    deadline = time.monotonic() + 30
    # Apache writes it when the answer is sent.
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if mark in line:
                return line
        time.sleep(0.02)
    raise AssertionError(f"no line of {mark} in {log}")


def test_the_scheme_of_a_trusted_proxy_holds(proxy):
    page = proxy.get("/", headers=SAID)
    assert "; Secure" in page.headers["Set-Cookie"]
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" in proxy.get("/static/style.css", headers=SAID).headers


def test_the_clients_address_is_in_the_log(guarded, proxy):
    line = logged(guarded, proxy, SAID)
    assert "198.51.100.7" in line and PROXY not in line


def test_only_the_last_address_is_believed(guarded, proxy):
    line = logged(guarded, proxy, SAID | {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})
    assert "198.51.100.7" in line and "203.0.113.9" not in line


def test_what_a_trusted_proxy_does_not_say_stays_as_it_is(guarded, proxy):
    page = proxy.get("/")
    assert "Secure" not in page.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in page.headers
    assert PROXY in logged(guarded, proxy)
    proxy.cookies.clear()
    plain = proxy.get("/", headers=SAID | {"X-Forwarded-Proto": "http"})
    assert "Secure" not in plain.headers["Set-Cookie"]


def test_what_a_stranger_says_changes_nothing(guarded, stranger):
    page = stranger.get("/", headers=SAID)
    assert "Secure" not in page.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in page.headers
    line = logged(guarded, stranger, SAID)
    assert "127.0.0.3" in line and "198.51.100.7" not in line


def test_the_application_sees_the_client_of_a_trusted_proxy_only(seen):
    with client(seen, PROXY) as proxy, client(seen, "127.0.0.3") as stranger:
        assert proxy.get("/wiki/seen", headers=SAID).text == (
            "https://www.example.org/wiki 198.51.100.7"
        )
        moved = proxy.post("/wiki/seen", headers=SAID)
        assert moved.headers["Location"] == "https://www.example.org/wiki/there"
        # Apache's own redirect.
        assert proxy.get("/wiki", headers=SAID).headers["Location"] == "/wiki/"
        assert stranger.get("/wiki/seen", headers=SAID).text == f"{seen.url}/wiki 127.0.0.3"
        moved = stranger.post("/wiki/seen", headers=SAID)
        assert moved.headers["Location"] == f"{seen.url}/wiki/there"
        said = SAID | {"HTTPS": "on", "X-Forwarded-Ssl": "on", "Forwarded": "proto=https"}
        assert stranger.get("/wiki/seen", headers=said).text == f"{seen.url}/wiki 127.0.0.3"
