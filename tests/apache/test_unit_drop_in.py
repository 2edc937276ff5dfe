"""apache/systemd and apache/logrotate.conf: reloads and the nightly logrotate lose no request."""

import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from scripts.lib.command import ROOT
from tests import told
from tests.apache.server import apache, debian_module, pypi_module

DROP_IN = ROOT / "apache" / "systemd" / "webpy-site.conf"
# Debian 12's, as far as it matters here.
UNIT = """\
[Unit]
Description=The Apache HTTP Server
[Service]
Type=forking
ExecStart=/bin/true
ExecStop=/bin/true
ExecReload=/bin/false
KillMode=mixed
"""


@pytest.fixture(scope="module", params=[pypi_module, debian_module], ids=["own", "Debian"])
def site(request, tmp_path_factory):
    """A site that tells its release; its Apache's configuration was remembered."""
    root = told.make(tmp_path_factory.mktemp("unit") / "root")
    with apache(app_root=root, settings=told.SETTINGS, module=request.param()) as running:
        assert command(running, "ExecStartPost").returncode == 0
        yield running


def command(site, name):
    """Run the command of the drop-in's line `name` for this Apache; returns what run() does."""
    [line] = re.findall(rf"^{name}=-?(/.*)$", DROP_IN.read_text(), re.MULTILINE)
    line = line.replace("/srv/webpy-site/current", str(ROOT))
    line = line.replace("/run/apache2/apache2.pid", str(site.server.directory / "apache.pid"))
    line = line.replace("/etc/apache2/apache2.conf", str(site.server.directory / "httpd.conf"))
    return subprocess.run(line.split(), capture_output=True, text=True)


class Load:
    """Asks all the time, with some slow requests; `end` returns the statuses."""

    def __init__(self, site):
        self.site = site
        self.done = threading.Event()
        self.pool = ThreadPoolExecutor(6)
        paths = ["/", "/", "/", "/?seconds=5", "/?seconds=4"]
        self.asking = [self.pool.submit(self._ask, path) for path in paths]
        time.sleep(0.5)

    def _ask(self, path):
        statuses = []
        while not self.done.is_set():
            statuses.append(httpx.get(self.site.url + path, timeout=60).status_code)
        return statuses

    def end(self):
        self.done.set()
        return [status for one in self.asking for status in one.result()]


def test_a_reload_without_a_change_does_nothing(site):
    load, pids = Load(site), site.pids()
    done = command(site, "ExecReload")
    assert (done.returncode, done.stdout) == (0, "nothing has changed\n"), done.stderr
    assert set(load.end()) == {200}
    assert site.pids() == pids


def test_logrotate_under_load_loses_no_request(site, tmp_path):
    program = shutil.which("logrotate", path="/usr/sbin:/usr/bin")
    if not program:
        pytest.skip("logrotate is missing: run scripts/install --test")
    logs = site.server.directory
    text = (ROOT / "apache" / "logrotate.conf").read_text()
    configuration = tmp_path / "logrotate.conf"
    configuration.write_text(text.replace("/var/log/apache2", str(logs)))
    configuration.chmod(0o644)
    access = logs / "webpy-site-access.log"
    load, pids = Load(site), site.pids()
    subprocess.run([program, "-f", "-s", tmp_path / "state", configuration], check=True)
    rotated = (logs / "webpy-site-access.log.1").stat().st_size
    statuses = load.end()
    assert set(statuses) == {200}
    assert site.pids() == pids
    assert rotated > 0
    assert access.stat().st_size > 0
    assert command(site, "ExecReload").returncode == 0


def test_a_changed_configuration_waits_for_an_instant_without_a_request(site):
    configuration = site.server.directory / "httpd.conf"
    with configuration.open("a") as file:
        file.write('Header always set X-Changed "yes"\n')
    before = site.pids()
    begin = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(httpx.get, site.url + "/?seconds=5", timeout=60)
        time.sleep(0.5)
        done = command(site, "ExecReload")
        assert slow.result().status_code == 200
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin > 5
    deadline = time.monotonic() + 30
    while httpx.get(site.url).headers.get("X-Changed") != "yes" or site.pids() & before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert command(site, "ExecReload").stdout == "nothing has changed\n"


def test_a_wrong_configuration_is_refused(site):
    configuration = site.server.directory / "httpd.conf"
    text = configuration.read_text()
    configuration.write_text(f"{text}NoSuchDirective\n")
    done = command(site, "ExecReload")
    configuration.write_text(text)
    assert done.returncode == 2
    assert "NoSuchDirective" in done.stderr
    assert httpx.get(site.url).status_code == 200


def test_a_log_that_was_renamed_is_told(site):
    log = site.server.directory / "webpy-site-access.log"
    renamed = log.with_name(f"{log.name}.9")
    log.rename(renamed)
    done = command(site, "ExecReload")
    renamed.rename(log)
    assert done.returncode == 2
    assert "logrotate.conf" in done.stderr


def test_systemd_takes_the_drop_in(tmp_path):
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.skip("systemd is missing")
    (tmp_path / "apache2.service").write_text(UNIT)
    folder = tmp_path / "apache2.service.d"
    folder.mkdir()
    text = DROP_IN.read_text().replace("/srv/webpy-site/current", str(ROOT))
    (folder / "webpy-site.conf").write_text(text)
    command = [program, "verify", "--man=no", tmp_path / "apache2.service"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
