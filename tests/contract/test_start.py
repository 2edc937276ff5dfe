"""A database that cannot be used stops the start: the message names DATABASE_URI and the cure."""

import os
import subprocess
import sys

import pytest
from sqlobject import sqlhub

from app import models
from app.models import User
from app.settings import ROOT
from app.transactions.engines.threads import connection_for
from scripts.lib.ports import free_port
from tests.apache.server import folders
from tests.contract.site import SERVERS
from tests.servers import QUOTED_PASSWORD

WRONG_PASSWORD = "s3cret%2Fpass"


def make_database(uri, tmp_path, **environ):
    """Run `python -m app.models`, with which scripts/serve begins, on `uri`."""
    (tmp_path / "empty.env").touch()
    environ |= {"DATABASE_URI": uri, "SITE_SETTINGS": str(tmp_path / "empty.env")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SITE_")}
    return subprocess.run(
        [sys.executable, "-m", "app.models"],
        cwd=ROOT,
        env=kept | environ,
        capture_output=True,
        text=True,
    )


def check_refusal(done):
    assert done.returncode == 2
    assert done.stdout == ""
    assert "DATABASE_URI" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


def test_the_tables_and_sample_users_are_made_once(uri, tmp_path):
    first, second = (make_database(uri, tmp_path) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "sample users" in first.stdout
    assert "there already, users in it: 3" in second.stdout


def test_two_commands_at_once_make_them_once(uri, tmp_path):
    (tmp_path / "empty.env").touch()
    environ = os.environ | {"DATABASE_URI": uri, "SITE_SETTINGS": str(tmp_path / "empty.env")}
    command = [sys.executable, "-m", "app.models"]
    options = {"cwd": ROOT, "env": environ, "stdout": subprocess.DEVNULL}
    processes = [subprocess.Popen(command, **options) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert "users in it: 3" in make_database(uri, tmp_path).stdout


# On SQLite the look is inside the one transaction that may write.
@pytest.mark.engines(*SERVERS)
def test_a_table_made_after_the_look_for_it_is_found_at_the_next(uri, monkeypatch):
    """What the loser of a race of two commands meets: CREATE TABLE for one that is there."""
    monkeypatch.setattr(sqlhub, "processConnection", connection_for(uri), raising=False)
    models.make_database()
    look, looks = User.tableExists, []

    def late_look():
        looks.append(look() if looks else False)
        return looks[-1]

    monkeypatch.setattr(User, "tableExists", late_look)
    assert "users in it: 3" in models.make_database()[0]
    assert looks == [False, True]
    sqlhub.processConnection.close()


@pytest.mark.engines(*SERVERS)
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (QUOTED_PASSWORD, WRONG_PASSWORD),
        (f"site:{QUOTED_PASSWORD}", f"nobody:{WRONG_PASSWORD}"),
        ("/test", "/nothing"),
    ],
    ids=["password", "user", "database"],
)
def test_a_refused_login_stops_the_start(uri, tmp_path, right, wrong):
    done = make_database(uri.replace(right, wrong), tmp_path)
    check_refusal(done)
    assert "correct the host, port, user, password and database" in done.stderr


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("oracle://me:s3cret@db/site", "no database engine for scheme 'oracle'"),
        ("postgres://me:s3cret/1@db/site", "host or port is malformed"),
        ("postgres://me:s3cret@127.0.0.1:1/site", "Start the server"),
        ("postgres://me:s3cret@db/site?nonsense=1", "nonsense"),
        ("postgres://me:s3cret@db/site?reading_level=high", "reading_level is 'high'"),
        ("postgres://me:s3cret@db/site?driver=pg8000", "driver is 'pg8000'"),
    ],
)
def test_a_uri_that_cannot_be_used_stops_the_start(tmp_path, uri, said):
    done = make_database(uri, tmp_path)
    check_refusal(done)
    assert said in done.stderr


def test_scripts_serve_stops_at_a_server_that_is_away():
    environ = os.environ | {"DATABASE_URI": "postgres://me:s3cret@127.0.0.1:1/site"}
    environ.pop("SITE_SETTINGS", None)
    # The daemons' user cannot enter pytest's folders.
    with folders() as folder:
        command = [ROOT / "scripts/serve", "--port", str(free_port()), "--var", folder / "var"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
    check_refusal(done)


def test_a_missing_driver_stops_the_start_with_the_way_to_install_it(tmp_path):
    for driver in ("psycopg", "psycopg2"):
        (tmp_path / f"{driver}.py").write_text("raise ImportError('not installed')")
    done = make_database("postgres://me:s3cret@db/site", tmp_path, PYTHONPATH=str(tmp_path))
    check_refusal(done)
    assert "pip install 'psycopg[binary]'" in done.stderr
