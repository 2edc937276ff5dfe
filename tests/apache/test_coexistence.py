"""apache/site.conf beside another virtual host: both answer, and the other is as before."""

import contextlib
import http.client
import os
import tempfile
from pathlib import Path

import httpx
import pytest

from scripts.lib.serving.apache import ROOT, SITE_CONF
from scripts.lib.serving.daemons import groups
from scripts.lib.serving.own_site import own_folder
from scripts.lib.serving.ports import free_port
from tests.apache.server import VENV, apache, debian_module, pypi_module

MODULES = pytest.mark.parametrize("module", [pypi_module, debian_module], ids=["own", "Debian"])

# Another site of the same Apache on the same address. Its answers would show everything that the
# drop-in sets for itself, if it leaked.
OTHER = """
<VirtualHost ${{WEBPY_ADDRESS}}>
    ServerName other.example.org
    WSGIDaemonProcess other processes=1 threads=1 home=/
    WSGIScriptAlias /script "{folder}/other.wsgi" process-group=other application-group=%{{GLOBAL}}
    DocumentRoot "{folder}"
    <Directory "{folder}">
        Require all granted
    </Directory>
</VirtualHost>
"""

SCRIPT = """
import os, sys

def application(environ, start_response):
    facts = os.getcwd(), sys.prefix, environ["mod_wsgi.process_group"]
    body = repr((*facts, environ.get("HTTP_AUTHORIZATION"))).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

REQUESTS = [
    ("GET", "/script", {"Authorization": "Bearer abc"}, None),
    ("POST", "/script", {"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n0\r\n\r\n"),
    ("POST", "/script", {"Content-Length": "2097153"}, b"x" * 2097153),
    ("GET", "/page.txt", {}, None),
    ("GET", "/.hidden", {}, None),
    ("GET", "/missing", {}, None),
    ("GET", "/static/style.css", {}, None),
    ("TRACE", "/page.txt", {}, None),
]


@pytest.fixture
def other():
    """Apache configuration of the other site, whose files are in place."""
    with tempfile.TemporaryDirectory(prefix="other-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "other.wsgi").write_text(SCRIPT)
        (folder / "page.txt").write_text("a page")
        (folder / ".hidden").write_text("hidden")
        for path in folder.iterdir():
            # Apache gives a file that is younger than a second another kind of ETag.
            os.utime(path, (1e9, 1e9))
        yield OTHER.format(folder=folder)


def answers(port):
    """What the other site answers to each of REQUESTS: status, headers except the date, body."""
    result = []
    for method, path, headers, body in REQUESTS:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        for header in ({"Host": "other.example.org"} | headers).items():
            connection.putheader(*header)
        connection.endheaders(body)
        with contextlib.closing(connection), connection.getresponse() as answer:
            answered = [header for header in answer.getheaders() if header[0] != "Date"]
            result.append((method, path, answer.status, answered, answer.read()))
    return result


@MODULES
def test_other_site_answers_as_before_and_this_one_beside_it(module, other, tmp_path):
    nothing = tmp_path / "nothing.conf"
    nothing.touch()
    with apache(module=module(), extra=other, site_conf=nothing) as alone:
        before = answers(alone.server.port)
    with apache(module=module(), extra=other) as both:
        after = answers(both.server.port)
        ours = httpx.get(both.url + "/view", headers={"Host": "localhost"}, timeout=60)
    assert [row[2] for row in before] == [200, 411, 200, 200, 200, 404, 404, 200]
    assert after == before
    assert ours.status_code == 200
    assert ours.headers["X-Content-Type-Options"] == "nosniff"


@MODULES
def test_same_file_serves_the_site_under_both_mod_wsgi(module):
    with apache(module=module(), processes=2, threads=2) as site:
        headers = {"Authorization": f"Bearer {site.token}"}
        user = {"name": "ada", "fullname": "Ada L", "password": "a long password"}
        made = httpx.post(site.url + "/api/users", headers=headers, json=user)
        assert made.status_code == 201
        assert httpx.get(site.url + made.headers["Location"]).json()["name"] == "ada"
        assert httpx.get(site.url + "/static/style.css").status_code in (200, 404)
        log = site.error_log()
    assert ("mod_wsgi/6.1.1 " in log) == (module is pypi_module)


TWO_SITES = """
Define WEBPY_NAME first
Define WEBPY_PREFIX /first
Define WEBPY_CSP "default-src 'none'"
Define WEBPY_STATIC none
Define WEBPY_MAX_BODY 10
Include "{conf}"
Define WEBPY_ROOT "{root}"
Define WEBPY_VENV "{venv}"
Define WEBPY_ADDRESS 127.0.0.1:{port}
Define WEBPY_SERVER_NAME second.example.org
Define WEBPY_LOGS "{logs}"
Include "{conf}"
"""


@MODULES
def test_two_sites_of_one_apache_do_not_see_each_others_defines(module, tmp_path):
    conf = tmp_path / "two.conf"
    port = free_port()
    with own_folder("logs-") as logs:
        text = TWO_SITES.format(conf=SITE_CONF, root=ROOT, venv=VENV, port=port, logs=logs)
        conf.write_text(f"Listen 127.0.0.1:{port}\n{text}")
        with apache(module=module(), site_conf=conf, path="/first/") as site:
            first, second = site.url, f"http://127.0.0.1:{port}"
            answers = {
                url: httpx.get(url)
                for url in (f"{first}/first/view", f"{second}/view", f"{second}/static/style.css")
            }
            assert [answer.status_code for answer in answers.values()] == [200] * 3
            policies = [answer.headers["Content-Security-Policy"] for answer in answers.values()]
            assert [policy[:20] for policy in policies] == [
                "default-src 'none'", "default-src 'self'; ", "default-src 'self'; ",
            ]  # fmt: skip
            for path in ("/view", "/first/static/style.css"):
                assert httpx.get(first + path).status_code in (403, 404)
            body = b"x" * 11
            assert httpx.post(f"{first}/first/add", content=body).status_code == 413
            assert httpx.post(f"{second}/add", content=body).status_code == 415
            names = {name for _, name in groups(site.process.pid)}
            assert names == {"first", "webpy-site"}
