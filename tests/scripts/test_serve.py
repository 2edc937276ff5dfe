"""scripts/serve: starts the site, keeps its state in one folder, and drains when it is stopped."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time

import httpx
import pytest

from scripts.lib.command import ROOT
from tests.apache.server import TOKEN, folders
from tests.scripts.serving import DEADLINE, Serve, serving

pytestmark = pytest.mark.slow
MODES = ("default", "nocache", "recipe", "bundle")


def free_again(port):
    """Whether nothing listens on `port` any more."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_serve_creates_the_database_and_answers(folder):
    with serving(folder, "--processes", "3", "--threads", "2") as serve:
        assert httpx.get(serve.url + "/").status_code == 200
        assert "<User 1 " in httpx.get(serve.url + "/view").text
        assert f"serving on {serve.url}/" in serve.text()
        assert str(serve.var / "apache" / "webpy-site-error.log") in serve.text()
        configuration = (serve.var / "apache" / "httpd.conf").read_text()
        assert f'Include "{ROOT}/apache/site.conf"' in configuration
        assert 'Define WEBPY_PROCESSES "3"' in configuration
        assert 'Define WEBPY_THREADS "2"' in configuration
    assert serve.process.returncode == 0
    assert free_again(serve.port)


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_serve_runs_a_database_server_and_keeps_its_data(folder, engine):
    with serving(folder, "--database", engine) as serve:
        users = httpx.get(serve.url + "/view").text
        assert "<User 1 " in users
        assert f"{engine} runs in {serve.var / engine}" in serve.text()
    with serving(folder, "--database", engine) as serve:
        assert httpx.get(serve.url + "/view").text == users
    assert serve.process.returncode == 0
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert str(folder) not in running


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_a_database_whose_creation_was_stopped_is_created_again(folder, engine):
    left = folder / "var" / engine / "new"
    left.mkdir(parents=True)
    (left / "PG_VERSION").touch()
    with serving(folder, "--database", engine) as serve:
        assert "<User 1 " in httpx.get(serve.url + "/view").text


def test_the_settings_file_has_demo_on_and_stays_and_is_closed_to_others(folder):
    path = folder / "var" / "site.env"
    with serving(folder) as serve:
        assert "<form" in httpx.get(serve.url + "/").text
        first = path.read_text()
        users = httpx.get(serve.url + "/view").text
    assert "SITE_DEMO=1" in first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with serving(folder) as serve:
        assert path.read_text() == first
        assert httpx.get(serve.url + "/view").text == users


def test_nothing_of_the_site_runs_as_root(folder):
    with serving(folder) as serve:
        configuration = str(serve.var / "apache" / "httpd.conf")
        running = subprocess.run(["ps", "-eo", "uid,args"], capture_output=True, text=True)
        users = {
            int(line.split()[0]) for line in running.stdout.splitlines() if configuration in line
        }
    assert users == {serve.var.stat().st_uid}
    assert 0 not in users


@pytest.mark.parametrize("by", ["option", "environment", "settings file"])
def test_the_lab_is_served_by_the_option_or_the_setting(folder, by):
    options = ["--processes", "1", "--threads", "2"]
    settings = {}
    if by == "option":
        options.append("--lab")
    elif by == "environment":
        settings["SITE_LAB"] = "on"
    else:
        (folder / "var").mkdir()
        lines = ["SITE_LAB=on", f"DATABASE_URI=sqlite://{folder}/var/site.db"]
        (folder / "var" / "site.env").write_text("\n".join(lines))
    with serving(folder, *options, settings=settings) as serve:
        serve.wait_for(f"the coherency lab is {serve.url}/lab/")
        assert "<h1>Coherency lab</h1>" in httpx.get(f"{serve.url}/lab/").raise_for_status().text
        for mode in MODES:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            made = {"keys": 2, "value": 7}
            url = f"{serve.url}/lab/{mode}"
            httpx.post(f"{url}/reset", json=made, headers=headers, timeout=DEADLINE)
            answer = httpx.get(f"{url}/keys?ids=1,2").raise_for_status().json()
            assert answer["values"] == {"1": 7, "2": 7}


def test_without_the_option_and_the_setting_the_lab_is_off(folder):
    with serving(folder) as serve:
        assert httpx.get(f"{serve.url}/lab/").status_code == 404
        assert httpx.get(f"{serve.url}/lab/default/keys?ids=1").status_code == 404
        assert "lab" not in serve.text()


def test_two_instances_run_side_by_side(folder):
    with folders() as second, serving(folder) as one, serving(second) as two:
        user = {"name": "ada", "fullname": "Ada", "password": "a long password"}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.post(one.url + "/api/users", json=user, headers=headers).status_code == 201
        assert "ada" in httpx.get(one.url + "/view").text
        assert "ada" not in httpx.get(two.url + "/view").text


@pytest.mark.parametrize(
    ("number", "senders"),
    [
        (signal.SIGTERM, [os.kill]),
        (signal.SIGINT, [os.killpg]),
        (signal.SIGTERM, [os.kill, os.killpg]),
    ],
    ids=["SIGTERM", "Ctrl-C in a terminal", "timeout"],
)
def test_stop_lets_a_request_in_flight_end(folder, number, senders):
    body = json.dumps({"name": "slow", "fullname": "Slow", "password": "a long password"})
    with serving(folder) as serve:
        connection = http.client.HTTPConnection("127.0.0.1", serve.port, timeout=DEADLINE)
        connection.putrequest("POST", "/api/users")
        connection.putheader("Authorization", f"Bearer {TOKEN}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:10].encode())
        log = serve.var / "apache" / "webpy-site-error.log"
        # Apache has to have taken the connection before it is stopped.
        time.sleep(0.5)
        for send in senders:
            send(serve.process.pid, number)
        deadline = time.monotonic() + DEADLINE
        while "caught SIGWINCH" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        connection.send(body[10:].encode())
        with contextlib.closing(connection), connection.getresponse() as answer:
            assert answer.status == 201
        assert serve.process.wait(DEADLINE) == 0
    assert free_again(serve.port)


def test_home_closed_to_others_is_named_by_root_and_serves_its_owner(folder, checkout):
    home = folder / "home"
    home.mkdir(mode=0o700)
    closed = shutil.move(checkout, home)
    if os.getuid() == 0:
        serve = Serve(folder, closed)
        assert serve.process.wait(DEADLINE) == 2
        assert f"www-data cannot enter {home}," in serve.text()
        assert f"chmod o+x {home}" in serve.text()
    else:
        with serving(folder, checkout=closed) as serve:
            assert httpx.get(serve.url + "/view").status_code == 200


def test_reload_picks_up_changed_code_and_keeps_out_what_does_not_load(folder, checkout):
    pages = checkout / "app" / "pages.py"
    with serving(folder, "--reload", checkout=checkout) as serve:
        good = pages.read_text()
        pages.write_text(good + "\nimport no_such_module\n")
        serve.wait_for("not reloaded")
        assert "No module named 'no_such_module'" in serve.text()
        assert httpx.get(serve.url + "/view").status_code == 200
        changed = "\n\ndef _changed(self):\n    return 'changed'\n\n\nView.GET = _changed\n"
        pages.write_text(good + changed)
        serve.wait_for("reloaded 4 processes")
        assert {httpx.get(serve.url + "/view").text for _ in range(20)} == {"changed"}


def test_reload_replaces_the_lab_s_processes_too(folder, checkout):
    options = ["--reload", "--lab", "--processes", "1", "--threads", "2"]
    with serving(folder, *options, checkout=checkout) as serve:
        handlers = checkout / "app" / "lab" / "handlers.py"
        changed = "\n\ndef _changed(self, mode):\n    return 'changed'\n\n\nKeys.GET = _changed\n"
        handlers.write_text(handlers.read_text() + changed)
        serve.wait_for("reloaded 6 processes")
        for mode in MODES:
            assert httpx.get(f"{serve.url}/lab/{mode}/keys?ids=1").text == "changed"


def test_a_pid_file_whose_number_another_process_has_does_not_keep_it_from_starting(folder):
    with serving(folder) as serve:
        path = serve.var / "apache" / "apache.pid"
    path.write_text(f"{os.getpid()}\n")
    with serving(folder) as serve:
        assert httpx.get(serve.url + "/healthz").status_code == 200
