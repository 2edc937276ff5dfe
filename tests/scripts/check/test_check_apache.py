"""scripts/check with the configuration of your Apache."""

import os
import shutil
import subprocess
import sys

import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.apache import Server, write_configuration
from scripts.lib.serving.own_site import daemon_user
from scripts.lib.serving.ports import free_port
from tests.apache.server import pypi_module
from tests.scripts.check.test_check_script import bad, check

pytestmark = pytest.mark.slow


@pytest.fixture
def notes(notes_of_daemons):
    return notes_of_daemons


@pytest.fixture
def look(folder, checkout, notes):
    """Look at an Apache that serves a checkout, in whose site.env the application is named."""
    shutil.copy(ROOT / "pyproject.toml", checkout)
    (checkout / ".venv").symlink_to(sys.prefix)
    lines = [
        f"{name}={value}\n"
        for name, value in notes.environment().items()
        if name in ("DATABASE_URI", "SITE_APPLICATION", "SITE_PATH")
    ]
    (checkout / "site.env").write_text("".join(lines))
    subprocess.run(["chmod", "-R", "go+rX", checkout], check=True)

    def look(extra="", environment=(), site_conf="site.conf", **defines):
        defines = {"WEBPY_ROOT": checkout, **defines}
        configuration = write_configuration(
            Server(
                folder / "run", free_port(), pypi_module(), defines, daemon_user(), extra,
                site_conf=checkout / "apache" / site_conf,
            )
        )  # fmt: skip
        return check(
            os.environ | dict(environment),
            *("--apache", configuration),
            command=[checkout / "scripts" / "check"],
        )

    return look


def test_apache_site_conf_is_ok(look, checkout):
    status, lines, said = look()
    assert (status, bad(lines), said) == (0, [], "")
    for name, value in (
        ("python-home", checkout / ".venv"),
        ("home", checkout),
        ("locale", "C.UTF-8"),
        ("name", "webpy-site"),
    ):
        assert f"ok      {name} of the daemons: {value}" in lines


def test_the_callers_environment_is_not_apaches(look):
    assert look(environment={"SITE_NO_SUCH": "1", "DATABASE_URI": "sqlite:///nowhere.db"})[0] == 0


def test_another_python_home_is_told_with_its_line(look, checkout):
    status, lines, _ = look(WEBPY_VENV="/usr")
    text = (checkout / "apache" / "site.conf").read_text()
    begins = text[: text.index("    WSGIDaemonProcess ${WEBPY_NAME} ")].count("\n") + 1
    [wrong] = bad(lines)
    assert status == 1
    place, _, said = wrong.removeprefix("wrong   ").partition(": ")
    file, _, line = place.rpartition(":")
    # Apache numbers a continued line by its end.
    assert file == f"{checkout}/apache/site.conf" and begins < int(line) < begins + 12
    assert said == f"python-home of the daemons is /usr: write python-home={checkout}/.venv"


def test_a_client_that_is_answered_before_its_request_ends_is_told(look):
    status, lines, _ = look(WEBPY_REQUEST_TIMEOUT="90")
    [wrong] = bad(lines)
    assert status == 1
    assert "after 80 s that its request has failed, but the request may run for 104 s" in wrong


def test_daemons_that_reload_does_not_find_are_told(look):
    status, lines, _ = look(WEBPY_NAME="webpy-site-two")
    [wrong] = bad(lines)
    assert status == 1
    assert "the title of the daemons webpy-site-two is cut" in wrong


def test_a_name_that_is_not_unique_ends_with_apaches_message(look):
    status, _, error = look("WSGIDaemonProcess webpy-site processes=1 threads=1")
    assert status == 2
    assert "Apache refuses " in error and "duplicates previous" in error


def test_the_policy_of_apache_decides_what_is_stopped(look, notes):
    notes.add("<style>p {}</style>\n", "templates/index.html", "<form")
    assert look()[0] == 1
    assert look(WEBPY_CSP="default-src 'self' 'unsafe-inline'")[0] == 0


@pytest.mark.skipif(daemon_user() is None, reason="only root can become another user")
def test_it_looks_as_the_user_of_the_daemons(look):
    status, lines, _ = look(WEBPY_USER="nobody")
    assert status == 1
    assert any(line.startswith("ok      permissions: nobody can read ") for line in lines)
    assert any("the daemons' user cannot enter it" in line for line in bad(lines))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"extra": "NoSuchDirective on"}, "Invalid command 'NoSuchDirective'"),
        ({"WEBPY_ROOT": ROOT}, "/checkout/wsgi/app.wsgi: include "),
    ],
)
def test_a_configuration_that_does_not_serve_the_checkout_ends_with_status_2(look, options, said):
    status, lines, error = look(**options)
    assert (status, lines) == (2, [])
    assert said in error


def test_two_virtual_hosts_of_one_name_and_address_are_told(look, folder):
    other = "<VirtualHost 127.0.0.1:{0}>\nServerName localhost\n</VirtualHost>\n"
    extra = "Listen 127.0.0.1:{0}\n" + other
    port = free_port()
    status, lines, _ = look(extra.format(port), WEBPY_ADDRESS=f"127.0.0.1:{port}")
    assert status == 1
    [line] = bad(lines)
    assert f"localhost at 127.0.0.1:{port} is also a virtual host of" in line
    status, lines, _ = look(extra.format(port), WEBPY_ADDRESS=f"127.0.0.1:{free_port()}")
    assert (status, bad(lines)) == (0, [])


@pytest.mark.parametrize(
    ("host", "days", "status", "said"),
    [
        ("localhost", 60, 0, "ok      certificate: of localhost until"),
        ("localhost", 7, 0, "expires "),
        ("localhost", -1, 1, "expired "),
        ("other.example.org", 60, 1, "does not name localhost"),
    ],
)
def test_the_end_and_the_name_of_a_certificate_are_told(look, folder, host, days, status, said):
    files = f"{folder}/run/request.pem", f"{folder}/run/key.pem", f"{folder}/run/certificate.pem"
    request, key, certificate = files
    make = f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={host}"
    sign = f"x509 -req -in {request} -signkey {key} -days {days} -out {certificate}"
    for words in (f"{make} -keyout {key} -out {request}", sign):
        subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    modules = "".join(
        f"LoadModule {name}_module modules/mod_{name}.so\n"
        for name in ("setenvif", "socache_shmcb", "ssl", "http2")
    )
    done, lines, _ = look(
        modules,
        site_conf="tls.conf",
        WEBPY_HTTP_ADDRESS=f"127.0.0.1:{free_port()}",
        WEBPY_CERTIFICATE=certificate,
        WEBPY_CERTIFICATE_KEY=key,
    )
    assert done == status, lines
    assert [line for line in lines if said in line], lines
