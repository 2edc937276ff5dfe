"""A database that cannot be used stops the start: the message names DATABASE_URI and the cure."""

import os
import subprocess
import sys

import pytest
from sqlobject import sqlhub

from app import database
from app.models import User
from app.settings import ROOT
from app.transactions import connection_for
from scripts.lib.serving.ports import free_port
from tests import own_application
from tests.apache.server import folders
from tests.contract.site import SERVERS
from tests.servers import QUOTED_PASSWORD

WRONG_PASSWORD = "s3cret%2Fpass"
# The command that creates the first table is overtaken before the second one.
OVERTAKEN = """
import time

_make_person, _make_team, _made = Person.createTable, Team.createTable, []


def _person(**options):
    _made.append("person")
    return _make_person(**options)


def _team(**options):
    if _made:
        time.sleep(2)
    return _make_team(**options)


Person.createTable, Team.createTable = _person, _team
"""
CONSTRAINTS = {
    "sqlite": "SELECT COUNT(*) FROM sqlite_master WHERE sql LIKE '%REFERENCES%'",
    "postgres": "SELECT COUNT(*) FROM pg_constraint WHERE contype = 'f'",
    "mysql": "SELECT COUNT(*) FROM information_schema.referential_constraints "
    "WHERE constraint_schema = DATABASE()",
}


def command(uri, tmp_path, *options, folder=ROOT, **environ):
    """Arguments of subprocess for `python -m app.database` on `uri`, as scripts/serve calls it."""
    (tmp_path / "empty.env").touch()
    environ |= {"DATABASE_URI": uri, "SITE_SETTINGS": str(tmp_path / "empty.env")}
    others = {name: value for name, value in os.environ.items() if not name.startswith("SITE_")}
    return {
        "args": [sys.executable, "-m", "app.database", *options],
        "cwd": folder,
        "env": others | environ,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def make_database(uri, tmp_path, *options, **more):
    return subprocess.run(**command(uri, tmp_path, *options, **more))


def users(server, uri):
    [[number]] = server.execute("SELECT COUNT(*) FROM users", name_of(uri))
    return int(number)


def name_of(uri):
    return uri.partition("?")[0].rpartition("/")[2]


def check_refusal(done):
    assert done.returncode == 2
    assert done.stdout == ""
    assert "DATABASE_URI" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


def test_the_tables_and_sample_users_are_created_once(server, uri, tmp_path):
    first, second = (make_database(uri, tmp_path) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "sample users" in first.stdout
    assert "table users: exists" in second.stdout
    assert users(server, uri) == 3


def test_commands_at_once_create_them_once(server, uri, tmp_path):
    processes = [subprocess.Popen(**command(uri, tmp_path)) for _ in range(4)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    assert users(server, uri) == 3


@pytest.mark.engines(*SERVERS)
def test_commands_at_once_create_tables_that_refer_to_each_other_once(server, uri, tmp_path):
    """Each table, constraint, join and sample row, though the first command is overtaken."""
    models = own_application.MODELS + OVERTAKEN
    own = own_application.make(tmp_path / "own", models=models)
    processes = [subprocess.Popen(**command(uri, tmp_path, folder=own)) for _ in range(4)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    for table in own_application.TABLES:
        assert sum(f"table {table}: created" in out for out, _ in said) == 1, said
    tags = server.execute("SELECT word FROM tag", name_of(uri))
    assert [word for (word,) in tags] == ["first"]
    [[constraints]] = server.execute(CONSTRAINTS[uri.partition(":")[0]], name_of(uri))
    assert int(constraints) == 2
    assert make_database(uri, tmp_path, "--check", folder=own).returncode == 0


def test_a_check_names_what_is_missing_and_adds_nothing(server, uri, tmp_path):
    assert make_database(uri, tmp_path, "--check").returncode == 3
    assert make_database(uri, tmp_path).returncode == 0
    right = make_database(uri, tmp_path, "--check")
    assert (right.returncode, right.stderr) == (0, "")
    assert "table users: as its model says" in right.stdout
    server.execute("ALTER TABLE users DROP COLUMN fullname", name_of(uri))
    for _ in range(2):
        wrong = make_database(uri, tmp_path, "--check")
        assert wrong.returncode == 3
        assert "table users: column fullname is missing" in wrong.stderr


@pytest.mark.engines(*SERVERS)
def test_the_command_waits_for_a_server_that_is_not_there_yet(server, uri, tmp_path):
    server.stop("fast")
    try:
        waiting = subprocess.Popen(**command(uri, tmp_path, "--wait", "60"))
        first = waiting.stderr.readline()
    finally:
        server.start()
    out, further = waiting.communicate()
    assert first == "waiting at most 60 s for the database of DATABASE_URI\n"
    assert (waiting.returncode, further) == (0, "")
    assert "table users: created" in out


def test_the_command_does_not_wait_for_ever(tmp_path):
    done = make_database("postgres://me:s3cret@127.0.0.1:1/site", tmp_path, "--wait", "1")
    check_refusal(done)
    assert done.stderr.startswith("waiting at most 1 s for the database of DATABASE_URI\n")


@pytest.mark.engines(*SERVERS)
def test_a_table_created_after_the_first_look_is_found_at_the_next(server, uri, monkeypatch):
    """Of two commands at once the later one sends CREATE TABLE for a table that exists."""
    monkeypatch.setattr(sqlhub, "processConnection", connection_for(uri), raising=False)
    database.make_database()
    look, looks = User.tableExists, []

    def late_look():
        looks.append(look() if looks else False)
        return looks[-1]

    monkeypatch.setattr(User, "tableExists", late_look)
    assert database.make_database()[0] == "table users: exists"
    assert (looks, users(server, uri)) == ([False, True], 3)
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
