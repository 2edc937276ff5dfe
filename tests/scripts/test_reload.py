"""scripts/reload: every daemon is replaced and no request is lost."""

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from scripts.lib.command import ROOT
from tests import told
from tests.apache.server import apache, debian_module, pypi_module, with_script

# Loading takes longer than a request, and one request longer than the others.
HANDLERS = """
import os, time, web

time.sleep(1)

class Index:
    def GET(self):
        time.sleep(float(web.input(seconds="0").seconds))
        return str(os.getpid())

application = web.application(("/", "Index"), globals()).wsgifunc()
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", [pypi_module, debian_module], ids=["own", "Debian"])
def test_rolling_reload_under_load_loses_no_request(tmp_path, module):
    with_script(tmp_path, HANDLERS)
    done = threading.Event()
    with apache(app_root=tmp_path, module=module()) as site, ThreadPoolExecutor(5) as pool:

        def ask():
            statuses = []
            with httpx.Client(timeout=60) as client:
                while not done.is_set():
                    statuses.append(client.get(site.url).status_code)
            return statuses

        before = site.pids()
        askers = [pool.submit(ask) for _ in range(4)]
        slow = pool.submit(httpx.get, site.url + "/?seconds=3", timeout=60)
        try:
            command = [ROOT / "scripts" / "reload", "--pid-file"]
            command.append(site.server.directory / "apache.pid")
            reload = subprocess.run(command, capture_output=True, text=True)
        finally:
            done.set()
        assert (reload.returncode, reload.stdout) == (0, "replaced 4 processes\n")
        assert len(site.pids()) == 2
        assert not site.pids() & before
        statuses = [status for asker in askers for status in asker.result()]
        assert slow.result().status_code == 200
    assert len(statuses) > 100
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--pid-file", "/nonexistent"], "--pid-file"),
        (["--name", "a-name-too-long"], "--name"),
        (["--nam", "site"], "--nam"),
    ],
)
def test_wrong_option_is_named_on_stderr_with_status_2(options, named):
    done = subprocess.run([ROOT / "scripts" / "reload", *options], capture_output=True, text=True)
    assert done.returncode == 2
    assert named in done.stderr


@pytest.mark.slow
def test_a_group_with_a_short_name_is_found():
    with apache(defines={"WEBPY_NAME": "shop"}) as site:
        before = site.pids()
        command = [ROOT / "scripts" / "reload", "--name", "shop", "--pid-file"]
        command.append(site.server.directory / "apache.pid")
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "replaced 4 processes\n")
        assert not site.pids() & before


@pytest.mark.slow
def test_a_missing_group_is_named(site):
    command = [ROOT / "scripts" / "reload", "--name", "another", "--pid-file"]
    command.append(site.server.directory / "apache.pid")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no daemon named another" in done.stderr


ANSWER = """
import os
assert os.environ["TEST_DATA"]

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%s"]
"""


@pytest.mark.parametrize(
    "broken",
    [
        "def application(:",
        "import no_such_module",
        "raise SystemExit(0)\n",
        "open('/root/x', 'w')",
    ],
)
def test_code_that_does_not_load_is_not_served(tmp_path, broken):
    with_script(tmp_path, ANSWER % "old")
    with apache(app_root=tmp_path) as site:
        command = [ROOT / "scripts" / "reload", "--pid-file"]
        command.append(site.server.directory / "apache.pid")
        before = site.pids()
        script = site.root / "wsgi" / "app.wsgi"
        script.write_text(broken)
        reload = subprocess.run(command, capture_output=True, text=True)
        assert reload.returncode == 1, reload.stderr
        assert "the old code goes on" in reload.stderr
        assert site.pids() == before
        assert httpx.get(site.url).text == "old"
        script.write_text(ANSWER % "new")
        assert subprocess.run(command, capture_output=True, text=True).returncode == 0
        assert {httpx.get(site.url).text for _ in range(10)} == {"new"}


MODULES = pytest.mark.parametrize("module", [pypi_module, debian_module], ids=["own", "Debian"])


@pytest.mark.slow
@MODULES
def test_a_replacement_that_does_not_answer_stops_the_reload(tmp_path, module):
    root = told.make(tmp_path / "root")
    with apache(app_root=root, module=module(), settings=told.SETTINGS) as site:
        command = [ROOT / "scripts" / "reload", "--pid-file"]
        command.append(site.server.directory / "apache.pid")
        before = site.pids()
        told.write(site.root, "two", "raise LookupError('no answer of mine')")
        # The first try shows it, before anything is replaced.
        tried = subprocess.run(command, capture_output=True, text=True)
        assert tried.returncode == 1
        assert "LookupError: no answer of mine" in tried.stderr
        assert "the old code goes on" in tried.stderr
        assert site.pids() == before
        untried = subprocess.run([*command, "--untried"], capture_output=True, text=True)
        assert untried.returncode == 1
        assert "LookupError: no answer of mine" in untried.stderr
        assert site.pids() & before
        told.write(site.root, "three")
        assert subprocess.run(command, capture_output=True, text=True).returncode == 0
        assert {httpx.get(site.url).text.split()[0] for _ in range(10)} == {"three"}


@pytest.mark.slow
def test_daemons_are_found_if_apache_was_started_by_a_short_name(monkeypatch):
    monkeypatch.setattr("scripts.lib.serving.apache.find_apache", lambda: "apache2")
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/bin")
    with apache() as site:
        before = site.pids()
        assert before
        command = [ROOT / "scripts" / "reload", "--pid-file"]
        command.append(site.server.directory / "apache.pid")
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "replaced 4 processes\n")
        assert not site.pids() & before
        assert httpx.get(site.url).status_code == 200
