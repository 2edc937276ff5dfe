"""What scripts/serve refuses, before any Apache starts, and what it says then."""

import contextlib
import os
import socket
import sqlite3
import subprocess

import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.ports import free_port
from tests.apache.server import hermetic_environment
from tests.scripts.serving import DEADLINE, Serve


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--port", "80"], "--port"),
        (["--port", "http"], "--port"),
        (["--processes", "0"], "--processes"),
        (["--threads", "-1"], "--threads"),
        (["--thread", "5"], "--thread"),
        (["--var"], "--var"),
        (["--var", "/proc/no"], "--var"),
        (["somewhere"], "somewhere"),
    ],
)
def test_wrong_option_is_named_on_stderr_with_status_2(options, named):
    done = subprocess.run([ROOT / "scripts" / "serve", *options], capture_output=True, text=True)
    assert done.returncode == 2
    assert named in done.stderr


def test_port_in_use_is_named_with_status_2(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [ROOT / "scripts" / "serve", "--var", folder / "var", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"port {port} is not free" in done.stderr
    assert "--port" in done.stderr


def test_state_folder_that_the_daemons_cannot_enter_is_named_with_the_cure(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o700 if os.getuid() == 0 else 0)
    command = [ROOT / "scripts" / "serve", "--var", closed / "var", "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert str(closed) in done.stderr and "--var" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_folder_with_a_file_in_the_place_of_a_folder_is_named(folder):
    (folder / "var").mkdir()
    (folder / "var" / "apache").touch()
    command = [ROOT / "scripts" / "serve", "--port", str(free_port()), "--var", folder / "var"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--var" in done.stderr and "Traceback" not in done.stderr


def test_wrong_setting_stops_the_start_with_its_name(folder):
    command = [ROOT / "scripts" / "serve", "--var", folder / "var", "--port", str(free_port())]
    environment = hermetic_environment(folder) | {"SITE_BUSY_TIMEOUT": "soon"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "SITE_BUSY_TIMEOUT" in done.stderr


def test_a_table_that_contradicts_its_model_stops_the_start_with_status_3(folder):
    command = [ROOT / "scripts" / "serve", "--var", folder / "var", "--port", str(free_port())]
    environment = hermetic_environment(folder) | {"DATABASE_URI": f"sqlite://{folder}/var/site.db"}
    (folder / "var").mkdir()
    with contextlib.closing(sqlite3.connect(folder / "var" / "site.db")) as database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 3
    assert "table users: column fullname is missing" in done.stderr
    assert "scripts/shell" in done.stderr and "Traceback" not in done.stderr


def test_checkout_that_the_daemons_cannot_read_is_named_with_the_cure(folder, checkout):
    (checkout / "app" / "pages.py").chmod(0o600 if os.getuid() == 0 else 0)
    serve = Serve(folder, checkout)
    assert serve.process.wait(DEADLINE) == 2
    assert f"cannot read {checkout}/app/pages.py" in serve.text()
    assert "chmod -R o+rX" in serve.text()


def test_a_settings_file_that_is_empty_would_serve_another_database(folder):
    (folder / "var").mkdir()
    (folder / "var" / "site.env").touch()
    serve = Serve(folder, ROOT)
    assert serve.process.wait(DEADLINE) == 2
    assert "/var/site.env has no DATABASE_URI" in serve.text()


def test_a_settings_file_is_written_wholly_or_not_at_all(folder):
    script = (
        "import resource; from pathlib import Path; from scripts.lib.serving.serve import "
        "write_whole; resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)); "
        f"write_whole(Path({str(folder)!r}, 'site.env'), 'SITE_DEMO=1\\n' * 10)"
    )
    done = subprocess.run(
        [ROOT / ".venv" / "bin" / "python", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "OSError" in done.stderr
    assert list(folder.glob("*site.env*")) == list(folder.glob(".*")) == []
