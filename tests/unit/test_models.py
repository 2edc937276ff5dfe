"""The User model."""

import random
import re
import sqlite3
import time

import pytest
from formencode import Invalid
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlobject import dberrors, sqlhub

from app import models
from app.models import HashedPassword, User, add_random_user, checked
from app.tables import make_database
from app.transactions import connection_for
from app.web.sessions import WebSession


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


def test_each_change_that_is_sent_counts_in_the_version(connection, tmp_path):
    made = user()
    made.fullname = "Countess of Lovelace"
    made.set(name="countess", fullname="Ada King")
    made.set()
    assert stored(tmp_path, "version")[-1] == made.version == 3


def test_a_change_after_one_that_has_failed_counts_and_ends_sessions_too(connection):
    made = user()
    WebSession(digest="x", account=made.id, begun=time.time(), seen=time.time(), data="{}")
    for wrong in ({"name": ""}, {"name": User.get(1).name}):
        with pytest.raises((Invalid, dberrors.DuplicateEntryError)):
            made.set(**wrong)
        with pytest.raises((Invalid, dberrors.DuplicateEntryError)):
            made.name = wrong["name"]
    made.password = "another"
    assert made.version == 2
    assert WebSession.of_account(made.id) == []


def test_a_table_without_role_and_version_gets_them(connection, tmp_path):
    made = user()
    database = sqlite3.connect(tmp_path / "site.db")
    database.execute("ALTER TABLE users DROP COLUMN role")
    database.execute("ALTER TABLE users DROP COLUMN version")
    database.commit()
    database.close()
    make_database()
    connection.cache.clear()
    assert (User.get(made.id).role, User.get(made.id).version) == ("reader", 1)


def test_two_users_cannot_have_the_same_name(connection):
    user()
    with pytest.raises(dberrors.DuplicateEntryError):
        user(fullname="Another Ada")


@pytest.mark.parametrize("field", ["name", "fullname", "password"])
@pytest.mark.parametrize(
    "value, fault",
    [
        ("", "must have a character that can be seen"),
        (" \t", "must have a character that can be seen"),
        ("\u200b\u2060\ufeff", "must have a character that can be seen"),
        ("\u3164", "must have a character that can be seen"),
        ("\u00a0\ufe0f\u2800", "must have a character that can be seen"),
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


def test_a_password_of_seven_characters_is_refused_unhashed(monkeypatch):
    monkeypatch.setattr(models, "_hasher", None)
    with pytest.raises(Invalid) as refusal:
        checked({"password": "seven.."})
    assert refusal.value.error_dict == {"password": "must have at least 8 characters"}


def test_every_wrong_field_is_named():
    with pytest.raises(Invalid) as refusal:
        checked({"name": "", "fullname": 1, "password": "fine words"})
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
    for model in (User, WebSession):
        model.createTable(connection=connection)
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
    letters = iter(["ABCD", "another", "EFGH", "fullnam"])
    user(name="ABCD")
    monkeypatch.setattr("app.models._letters", lambda source, count: next(letters))
    assert add_random_user().name == "EFGH"


def test_a_seed_gives_the_same_random_user_again(connection):
    first = add_random_user(random.Random("seed"))
    assert add_random_user(random.Random("seed")) is first
    assert add_random_user(random.Random("other")) is not first
