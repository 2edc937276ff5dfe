"""Docker's and the balancer's own checks of the files; what an old Docker engine lacks."""

import json
import re
import subprocess

import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.apache import REQUEST_TIMEOUT
from tests.docker.project import CLUSTER, SINGLE, Project

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("files", [SINGLE, CLUSTER])
def test_compose_finds_no_fault(engine, files):
    checked = Project(engine, files, {}).compose("config", "--quiet")
    assert checked.stdout + checked.stderr == ""


def test_every_service_of_the_cluster_is_hardened(engine):
    config = Project(engine, CLUSTER, {}).compose("config", "--format", "json").stdout
    for name, service in json.loads(config)["services"].items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"] and service["pids_limit"], name
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name


def test_a_stop_waits_longer_than_the_longest_request_takes(engine):
    """Apache waits for its daemons, the balancer for Apache, and Compose for both."""
    config = Project(engine, CLUSTER, {}).compose("config", "--format", "json").stdout
    services = json.loads(config)["services"]
    site, server, balancer = (
        (ROOT / name).read_text()
        for name in ("apache/site.conf", "docker/server.conf", "docker/haproxy.cfg")
    )
    request = _seconds(r"Define WEBPY_REQUEST_TIMEOUT (\d+)", site)
    served = request + _seconds(r"interrupt-timeout=(\d+)", site)
    assert served < _seconds(r"Define WEBPY_ANSWER_TIMEOUT (\d+)", site)
    longest = _seconds(r"queue-timeout=(\d+)", site) + served
    apache = _seconds(r"^GracefulShutdownTimeout (\d+)", server)
    drain = int(services["web"]["environment"]["WEBPY_DRAIN"])
    assert longest < apache < apache + drain < 110
    assert longest < _seconds(r"timeout server (\d+)s$", balancer)
    assert longest < _seconds(r"hard-stop-after (\d+)s", balancer) < 110
    assert services["web"]["stop_grace_period"] == "1m50s"
    assert services["balancer"]["stop_grace_period"] == "1m50s"


def test_all_files_calculate_with_the_same_longest_request():
    site = (ROOT / "apache" / "site.conf").read_text()
    entrypoint = (ROOT / "docker" / "entrypoint").read_text()
    assert _seconds(r"Define WEBPY_REQUEST_TIMEOUT (\d+)", site) == REQUEST_TIMEOUT
    assert _seconds(r"^LONGEST_REQUEST = (\d+)$", entrypoint) == REQUEST_TIMEOUT


def test_only_the_balancer_is_trusted(engine):
    config = Project(engine, CLUSTER, {}).compose("config", "--format", "json").stdout
    services = json.loads(config)["services"]
    address = services["balancer"]["networks"]["default"]["ipv4_address"]
    assert services["web"]["environment"]["WEBPY_TRUSTED_PROXIES"] == address


def test_a_container_drains_for_longer_than_the_balancer_needs_to_notice(engine):
    config = Project(engine, CLUSTER, {}).compose("config", "--format", "json").stdout
    drain = json.loads(config)["services"]["web"]["environment"]["WEBPY_DRAIN"]
    balancer = (ROOT / "docker" / "haproxy.cfg").read_text()
    every = _seconds(r"inter (\d+)s ", balancer)
    checks = _seconds(r" fall (\d+) ", balancer)
    # One check may have passed just before, and each may take a second.
    assert int(drain) >= checks * (every + 1) + 1


def _seconds(pattern, text):
    [found] = re.findall(pattern, text, re.MULTILINE)
    return int(found)


def test_the_balancer_finds_no_fault(engine):
    mounted = f"{ROOT}/docker/haproxy.cfg:/haproxy.cfg:ro"
    options = ("--rm", "--volume", mounted, "--entrypoint", "haproxy", "haproxy:3.0")
    checked = engine.run("run", *options, "-c", "-f", "/haproxy.cfg")
    assert not re.search("WARNING|ALERT", checked.stdout + checked.stderr)


def test_apache_finds_no_fault(engine, image):
    options = ("--rm", "--entrypoint", "sh", image, "-c")
    command = "mkdir /tmp/site && apache2 -t -f /srv/site/docker/server.conf"
    checked = engine.run("run", *options, command)
    assert (checked.stdout + checked.stderr).strip() == "Syntax OK"


def test_the_settings_that_compose_reads_are_not_committed():
    """They hold secrets: .env is Compose's file, site.env the site's."""
    for name in (".env", "site.env"):
        command = ["git", "-c", "safe.directory=*", "check-ignore", "--quiet", name]
        assert subprocess.run(command, cwd=ROOT).returncode == 0, name


def test_the_dockerfile_builds_on_engines_without_a_registry_or_newer_syntax():
    text = (ROOT / "docker" / "Dockerfile").read_text()
    for pattern in ("^# *syntax=", "<<", "--link", "--start-interval"):
        assert not re.search(pattern, text, re.MULTILINE), pattern
