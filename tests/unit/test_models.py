"""The User model and `python -m app.models`."""

import os
import re
import sqlite3
import subprocess
import sys

import pytest
from formencode import Invalid
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlobject import UnicodeCol, dberrors, sqlhub

from app.models import HashedPassword, User, add_random_user, checked, make_database
from app.settings import ROOT
from app.transactions.engines.threads import connection_for


@pytest.fixture
def connection(tmp_path):
    sqlhub.processConnection = connection_for(f"sqlite://{tmp_path}/site.db")
    make_database()
    yield sqlhub.processConnection
    del sqlhub.processConnection


def user(**changed):
    return User(**{"name": "ada", "fullname": "Ada Lovelace", "password": "open sesame"} | changed)


def stored(tmp_path, column):
    database = sqlite3.connect(tmp_path / "site.db")
    values = [value for (value,) in database.execute(f"SELECT {column} FROM users ORDER BY id")]
    database.close()
    return values


def test_a_password_is_stored_as_an_argon2_hash(connection, tmp_path):
    made = user()
    assert stored(tmp_path, "password")[-1].startswith("$argon2id$")
    assert made.check_password("open sesame")
    assert not made.check_password("open sesam")


def test_an_assigned_password_is_hashed_too_and_a_hash_is_not_hashed_again(connection):
    made = user()
    made.password = "another"
    assert made.check_password("another")
    made.password = made.password
    connection.cache.clear()
    assert User.get(made.id).check_password("another")


def test_no_representation_of_a_user_has_the_password(connection):
    made = user()
    assert repr(made) == f"<User {made.id} name='ada' fullname='Ada Lovelace'>"
    assert str(made) == repr(made)
    assert made.sqlmeta.asDict() == {"id": made.id, "name": "ada", "fullname": "Ada Lovelace"}


def test_a_stored_value_that_is_no_hash_matches_no_password(connection, tmp_path):
    made = user()
    database = sqlite3.connect(tmp_path / "site.db")
    database.execute("UPDATE users SET password = 'plain'")
    database.commit()
    database.close()
    connection.cache.clear()
    assert not User.get(made.id).check_password("plain")


def test_two_users_cannot_have_the_same_name(connection):
    user()
    with pytest.raises(dberrors.DuplicateEntryError):
        user(fullname="Another Ada")


@pytest.mark.parametrize("field", ["name", "fullname", "password"])
@pytest.mark.parametrize(
    "value, fault",
    [
        ("", "must not be empty"),
        (" \t", "must not be empty"),
        ("x" * 1025, "has 1025 characters: at most"),
        ("a\0b", "must not contain control characters or lone surrogates"),
        ("a\ud800b", "must not contain control characters or lone surrogates"),
        (7, "must be text"),
        (None, "must be text"),
        (["x"], "must be text"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_wrong(field, value, fault):
    with pytest.raises(Invalid) as refusal:
        checked({field: value})
    assert refusal.value.error_dict[field].startswith(fault)


def test_every_wrong_field_is_named():
    with pytest.raises(Invalid) as refusal:
        checked({"name": "", "fullname": 1, "password": "fine"})
    assert set(refusal.value.error_dict) == {"name", "fullname"}


@pytest.mark.parametrize("field, longest", [("name", 100), ("fullname", 200)])
def test_a_field_holds_its_longest_value(connection, field, longest):
    made = user(**{field: "é" * longest})
    connection.cache.clear()
    assert getattr(User.get(made.id), field) == "é" * longest
    with pytest.raises(Invalid):
        user(**{field: "é" * (longest + 1)})


@pytest.fixture(scope="module")
def lasting_connection(tmp_path_factory):
    connection = connection_for(f"sqlite://{tmp_path_factory.mktemp('names')}/site.db")
    User.createTable(connection=connection)
    return connection


@effort(deadline=None)
@given(name=st.text())
@example(name="'; DROP TABLE users; --")
@example(name="\\'%s%%")
@example(name="\U0001f600")
def test_a_name_comes_back_as_it_was_stored_or_is_refused(lasting_connection, name):
    password = HashedPassword("$argon2id$made-once")
    try:
        made = User(name=name, fullname=name, password=password, connection=lasting_connection)
    except Invalid:
        assert not name.strip() or not name.isprintable() or len(name) > 100
        return
    lasting_connection.cache.clear()
    found = User.get(made.id, connection=lasting_connection)
    assert (found.name, found.fullname) == (name, name)
    found.destroySelf()


def test_a_page_ends_where_the_next_one_begins(connection):
    ids = [add_random_user().id for _ in range(2)]
    first, following = User.page(0, 3)
    assert ([user.id for user in first], following) == ([1, 2, 3], 3)
    rest, end = User.page(following, 3)
    assert ([user.id for user in rest], end) == (ids, None)


def test_a_random_user_is_named_as_in_the_recipe(connection):
    made = add_random_user()
    assert re.fullmatch("[A-Za-z]{4}", made.name)
    assert re.fullmatch(f"{made.name} [A-Za-z]{{7}}", made.fullname)


def test_a_random_user_gets_a_name_that_is_free(connection, monkeypatch):
    letters = iter(["ABCD", "ABCD", "EFGH", "fullnam"])
    user(name="ABCD")
    monkeypatch.setattr("app.models._letters", lambda count: next(letters))
    assert add_random_user().name == "EFGH"


def run(uri):
    environ = {"DATABASE_URI": uri, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "app.models"]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)


def test_the_command_makes_the_database_once_and_says_what_it_did(tmp_path):
    uri = f"sqlite://{tmp_path}/var/site.db"
    first = run(uri)
    assert (first.returncode, first.stderr) == (0, "")
    assert "table users: made\nsample users: <User 1 name=" in first.stdout
    assert "argon2" not in first.stdout
    second = run(uri)
    assert (second.returncode, second.stderr) == (0, "")
    assert "table users: there already, users in it: 3" in second.stdout


def test_the_command_brings_no_deleted_sample_user_back(connection, tmp_path):
    User.deleteMany(None)
    assert "users in it: 0" in run(f"sqlite://{tmp_path}/site.db").stdout


def test_a_column_that_the_model_has_more_is_added_and_told(connection):
    User.sqlmeta.addColumn(UnicodeCol(name="email", default=None))
    try:
        done = make_database()
        assert user(email="ada@example.org").email == "ada@example.org"
    finally:
        User.sqlmeta.delColumn("email")
    assert done == [
        "table users: there already, users in it: 3",
        "table users: added column email",
    ]


def test_a_table_that_contradicts_the_model_is_a_clear_error_with_status_3(connection, tmp_path):
    connection.query("ALTER TABLE users DROP COLUMN fullname")
    done = run(f"sqlite://{tmp_path}/site.db")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(
        f"error: the database sqlite://{tmp_path}/site.db is not as the models say:\n"
        "table users: column fullname is missing, "
    )
    assert "ALTER TABLE in scripts/shell" in done.stderr and "Traceback" not in done.stderr
    assert len(stored(tmp_path, "id")) == 3


def test_commands_at_the_same_time_make_the_sample_users_once(tmp_path):
    environ = {"DATABASE_URI": f"sqlite://{tmp_path}/site.db", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "app.models"]
    started = [subprocess.Popen(command, cwd=ROOT, env=environ) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
    assert len(stored(tmp_path, "id")) == 3


def test_a_database_that_cannot_be_made_is_a_clear_error_with_status_2(tmp_path):
    (tmp_path / "file").write_text("")
    done = run(f"sqlite://{tmp_path}/file/site.db")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        f"error: the database sqlite://{tmp_path}/file/site.db could not"
    )
    assert "DATABASE_URI" in done.stderr and "Traceback" not in done.stderr


def test_a_file_that_is_no_database_is_a_clear_error_with_status_2(tmp_path):
    (tmp_path / "site.db").write_text("this is not a database" * 100)
    done = run(f"sqlite://{tmp_path}/site.db")
    assert (done.returncode, done.stdout) == (2, "")
    assert "not a database" in done.stderr and "Traceback" not in done.stderr
