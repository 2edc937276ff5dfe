"""`python -m app.database` creates the tables of the models, updates and checks them."""

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys

import pytest
from sqlobject import UnicodeCol, sqlhub

from app import tables
from app.models import User
from app.settings import ROOT
from app.tables import make_database
from app.transactions import connection_for
from app.transactions.tables import SchemaError
from tests import own_application


@pytest.fixture
def uri(tmp_path):
    return f"sqlite://{tmp_path}/site.db"


@pytest.fixture
def connection(uri):
    sqlhub.processConnection = connection_for(uri)
    make_database()
    yield sqlhub.processConnection
    del sqlhub.processConnection


def command(*options):
    return [sys.executable, "-m", "app.database", *options]


def run(uri, *options, folder=ROOT, **environ):
    environ |= {"DATABASE_URI": uri, "PATH": os.environ["PATH"]}
    return subprocess.run(
        command(*options), cwd=folder, env=environ, capture_output=True, text=True
    )


def lines(said):
    """The lines that say this of each table of the example."""
    return "".join(
        f"table {name}: {said}\n" for name in ("users", "web_session", "failure", "stored_answers")
    )


def ids(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "site.db")) as file:
        return [number for (number,) in file.execute("SELECT id FROM users ORDER BY id")]


def change(tmp_path, statement):
    with contextlib.closing(sqlite3.connect(tmp_path / "site.db")) as file:
        file.execute(statement)
        file.commit()


def test_it_creates_the_database_once_and_says_what_it_did(uri, tmp_path):
    first = run(uri)
    assert (first.returncode, first.stderr) == (0, "")
    assert f"database {uri}\n" + lines("created") + "sample users: <User 1 name=" in first.stdout
    assert "argon2" not in first.stdout
    second = run(uri)
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == f"database {uri}\n" + lines("exists")
    assert ids(tmp_path) == [1, 2, 3]


def test_it_creates_the_folder_of_the_file(tmp_path):
    assert run(f"sqlite://{tmp_path}/var/of/site.db").returncode == 0
    assert (tmp_path / "var" / "of" / "site.db").exists()


def test_it_brings_no_deleted_sample_user_back(connection, uri, tmp_path):
    User.deleteMany(None)
    assert run(uri).returncode == 0
    assert ids(tmp_path) == []


def test_a_column_that_only_the_model_has_is_added_and_told(connection):
    User.sqlmeta.addColumn(UnicodeCol(name="email", default=None))
    try:
        done = make_database()
        made = User(name="ada", fullname="Ada", password="sesame", email="ada@example.org")
        assert made.email == "ada@example.org"
    finally:
        User.sqlmeta.delColumn("email")
    assert done[:2] == ["table users: exists", "table users: added column email"]


@pytest.mark.parametrize("options", [(), ("--wait", "30"), ("--check",)])
def test_a_table_that_contradicts_the_model_is_a_clear_error_with_status_3(
    connection, uri, tmp_path, options
):
    connection.query("ALTER TABLE users DROP COLUMN fullname")
    done = run(uri, *options)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(
        f"error: the database {uri} is not as the models say:\n"
        "table users: column fullname is missing, "
    )
    assert "ALTER TABLE in scripts/shell" in done.stderr and "Traceback" not in done.stderr
    assert tables.CURE not in done.stderr
    assert ids(tmp_path) == [1, 2, 3]


def test_commands_at_the_same_time_create_the_sample_users_once(uri, tmp_path):
    environ = {"DATABASE_URI": uri, "PATH": os.environ["PATH"]}
    started = [subprocess.Popen(command(), cwd=ROOT, env=environ) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
    assert ids(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("options", [(), ("--wait", "60")], ids=["at once", "waiting"])
def test_a_database_that_cannot_be_created_is_a_clear_error_with_status_2(tmp_path, options):
    """Also with --wait it ends at once, because waiting does not help a file."""
    (tmp_path / "file").write_text("")
    done = run(f"sqlite://{tmp_path}/file/site.db", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        f"error: the database sqlite://{tmp_path}/file/site.db could not"
    )
    assert "DATABASE_URI" in done.stderr and "Traceback" not in done.stderr
    assert "waiting" not in done.stderr


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_file_that_is_no_database_is_a_clear_error_with_status_2(uri, tmp_path, options):
    (tmp_path / "site.db").write_text("this is not a database" * 100)
    done = run(uri, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "not a database" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_wrong_setting_is_named_with_status_2(uri, options):
    done = run(uri, *options, SITE_DEMO="maybe")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: SITE_DEMO is 'maybe': write on or off\n"


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_an_unknown_kind_of_database_is_named_with_status_2(options):
    done = run("oracle://me:s3cret@db/site", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: DATABASE_URI cannot be used: no database engine")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--wait", "0"), "--wait: is '0': write a whole number of seconds from 1 to 3600"),
        (("--wait", "3601"), "--wait: is '3601'"),
        (("--wait", "soon"), "--wait: is 'soon'"),
        (("--wait", "3", "--check"), "--check: not allowed with argument --wait"),
        (("--che",), "--che"),
    ],
)
def test_a_wrong_option_is_named_with_status_2(uri, tmp_path, options, named):
    done = run(uri, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
    assert not (tmp_path / "site.db").exists()


def test_every_option_has_a_help_text():
    said = run("sqlite:///nowhere/site.db", "--help").stdout
    for option in ("--check", r"--wait SECONDS"):
        assert re.search(rf"^  {option} +[a-z]", said, re.MULTILINE)


def test_a_check_of_what_is_right_says_so_and_changes_nothing(connection, uri, tmp_path):
    connection.close()
    before = (tmp_path / "site.db").read_bytes()
    done = run(uri, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"database {uri}\n" + lines("as its model says")
    assert (tmp_path / "site.db").read_bytes() == before


def test_a_check_waits_for_no_writer(connection, uri, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "site.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM users")
        assert run(f"{uri}?timeout=0.1", "--check").returncode == 0


def test_a_check_does_not_create_the_file(uri, tmp_path):
    done = run(uri, "--check")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"the file {tmp_path}/site.db is not there\n{tables.CURE}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_check_does_not_turn_the_file_to_wal(uri, tmp_path):
    change(tmp_path, "CREATE TABLE older (id INTEGER PRIMARY KEY)")
    before = (tmp_path / "site.db").read_bytes()
    done = run(uri, "--check")
    assert done.returncode == 3
    assert f"the file {tmp_path}/site.db is not in WAL mode\n{tables.CURE}" in done.stderr
    assert (tmp_path / "site.db").read_bytes() == before
    assert run(uri).returncode == run(uri, "--check").returncode == 0


def test_a_check_names_a_table_that_is_missing(connection, uri, tmp_path):
    change(tmp_path, "DROP TABLE users")
    done = run(uri, "--check")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"table users: it is missing\n{tables.CURE}" in done.stderr
    assert run(uri).returncode == run(uri, "--check").returncode == 0


def test_a_check_names_a_column_that_is_missing_and_adds_none(connection):
    User.sqlmeta.addColumn(UnicodeCol(name="email", default=None))
    try:
        for _ in range(2):
            with pytest.raises(SchemaError) as refusal:
                tables.check_database()
            said = f"table users: column email is missing\n{tables.CURE}"
            assert str(refusal.value) == said
        make_database()
        assert tables.check_database() == lines("as its model says").splitlines()
    finally:
        User.sqlmeta.delColumn("email")


@pytest.fixture
def own(tmp_path):
    """The folder of a site with other models and pages than the example's."""
    return own_application.make(tmp_path / "own")


def test_all_tables_of_an_own_application_are_created(own, uri, tmp_path):
    made = [f"table {name}: created" for name in own_application.TABLES]
    said = run(uri, folder=own).stdout
    assert said.splitlines() == [f"database {uri}", *made, "a tag: first"]
    again = run(uri, folder=own)
    assert (again.returncode, again.stdout.count(": exists")) == (0, 5)
    assert run(uri, "--check", folder=own).returncode == 0
    change(tmp_path, "ALTER TABLE dog DROP COLUMN bark")
    for table in ("team", "person_tag"):
        change(tmp_path, f"DROP TABLE {table}")
    checked = run(uri, "--check", folder=own)
    assert checked.returncode == 3
    for missing in ("team: it", "person_tag: it", "dog: column bark"):
        assert f"table {missing} is missing\n" in checked.stderr
    assert run(uri, folder=own).returncode == run(uri, "--check", folder=own).returncode == 0


@pytest.mark.parametrize("models", [None, "", "from sqlobject import SQLObject"])
def test_an_application_without_models_is_told_where_they_belong(tmp_path, uri, models):
    own = own_application.make(tmp_path / "own", models=models)
    done = run(uri, folder=own)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the site has no SQLObject class: write them into app/models.py" in done.stderr


OTHERS = """
import sqlobject
from sqlobject import SQLObject, connectionForURI, dberrors

sqlobject.sqlhub.processConnection = connectionForURI("sqlite://{folder}/other.db")


class Thing(SQLObject):
    tries = []

    @classmethod
    def fill_new_table(cls):
        cls.tries.append(1)
        if len(cls.tries) == 1:
            raise dberrors.DuplicateEntryError("as of another command")
        return f"tries: {{len(cls.tries)}}"
"""


def test_models_that_set_another_connection_get_their_tables_in_the_sites_database(tmp_path, uri):
    own = own_application.make(tmp_path / "own", models=OTHERS.format(folder=tmp_path))
    done = run(uri, folder=own)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("table thing: created\ntries: 2\n")
    assert run(uri, "--check", folder=own).returncode == 0
    assert not (tmp_path / "other.db").exists()


def test_a_fault_in_the_models_shows_with_its_traceback(tmp_path, uri):
    own = own_application.make(tmp_path / "own", models="from app import nothing_there")
    done = run(uri, folder=own)
    assert "nothing_there" in done.stderr and "Traceback" in done.stderr


ASK = """
import json, runpy
from wsgiref.util import setup_testing_defaults

application = runpy.run_path("wsgi/app.wsgi")["application"]


def ask(path):
    environ, statuses = {"PATH_INFO": path}, []
    setup_testing_defaults(environ)
    chunks = application(environ, lambda status, *_: statuses.append(status))
    return [*statuses, b"".join(chunks).decode()]


print(json.dumps([ask(path) for path in ("/", "/healthz", "/readyz", "/nowhere")]))
"""


def test_an_own_application_is_served_and_answers_health_checks(own, uri):
    run(uri, folder=own)
    environ = {"DATABASE_URI": uri, "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=own, env=environ, capture_output=True, text=True
    )
    page, *health, missing = json.loads(done.stdout)
    assert page == ["200 OK", "0"]
    assert health == [["200 OK", "ok\n"]] * 2
    assert missing[0] == "404 Not Found" and "<h1>Not Found</h1>" in missing[1]


def test_others_cannot_read_a_new_database(tmp_path, uri):
    run(uri)
    assert (tmp_path / "site.db").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"not a database at all" * 100, "names a file of another kind"), (None, "put a backup in")],
    ids=["another file", "a damaged one"],
)
def test_a_file_that_is_no_sound_database_is_told(tmp_path, uri, content, said):
    path = tmp_path / "site.db"
    if content is None:
        run(uri)
        content = path.read_bytes()
        # The list of the tables, which stands behind the header.
        content = content[:100] + bytes(range(156)) + content[256:]
    path.write_bytes(content)
    done = run(uri)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_a_full_disk_is_told(tmp_path, uri):
    """No file may become longer than a page, as on a disk that is full."""
    limited = ["prlimit", "--fsize=4096", *command()]
    done = subprocess.run(
        limited,
        cwd=ROOT,
        env=os.environ | {"DATABASE_URI": uri},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "Make room on the disk" in done.stderr) == (2, True), done.stderr


def test_beside_the_log_of_a_file_that_is_gone_no_file_is_created(tmp_path, uri):
    """SQLite would delete the log, which may have the last acknowledged changes."""
    run(uri)
    (tmp_path / "site.db").rename(tmp_path / "away.db")
    (tmp_path / "site.db-wal").write_bytes(b"a log")
    done = run(uri)
    assert (done.returncode, "put the file back in its place" in done.stderr) == (3, True)
    assert not (tmp_path / "site.db").exists()
    assert (tmp_path / "site.db-wal").read_bytes() == b"a log"


def test_a_database_that_this_user_cannot_write_stops_the_start(tmp_path, uri):
    """Its reads would be answered, and each write refused."""
    run(uri)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    (tmp_path / "site.db").chmod(0o444)
    # root may write every file.
    other = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    done = subprocess.run(
        command(),
        cwd=ROOT,
        env=os.environ | {"DATABASE_URI": uri},
        capture_output=True,
        text=True,
        **(other if os.getuid() == 0 else {}),
    )
    assert (done.returncode, "write the file and its directory" in done.stderr) == (2, True)
