"""A table that contradicts its model is refused, and left as it was."""

import MySQLdb
import pytest
from sqlobject import DatabaseIndex, FloatCol, IntCol, sqlhub

from app.transactions import connection_for
from scripts.lib.serving.databases import Postgres
from tests.contract.site import SERVERS
from tests.contract.tables import made, model, refusal, text, update
from tests.servers import PASSWORD, QUOTED_PASSWORD

pytestmark = pytest.mark.usefixtures("connection")


def test_a_required_column_without_a_default_is_refused():
    made()
    said = refusal(
        model(text=text(), subtitle=text(default=None), author=text(notNone=True, default=""))
    )
    assert said == (
        "table note: column author is missing, in the model it is NOT NULL without a default"
    )


def test_a_required_column_that_left_the_model_is_refused():
    made(stars=IntCol(notNone=True, default=3))
    assert refusal(model(text=text())) == (
        "table note: column stars, not in the model, is NOT NULL without a default"
    )


def test_a_column_of_another_type_is_refused():
    made()
    said = refusal(model(text=FloatCol()))
    assert said.startswith("table note: column text is of type ")
    assert ", in the model " in said


def test_a_column_that_holds_longer_text_than_the_model_serves():
    made()
    assert update(model(text=text(50))) == []


def test_a_column_that_may_be_null_in_the_model_alone_is_refused():
    made(stars=IntCol(notNone=True, default=3))
    assert refusal(model(text=text(), stars=IntCol())) == (
        "table note: column stars is NOT NULL, in the model it is not"
    )


def test_a_column_with_a_default_in_the_model_alone_is_refused():
    made(stars=IntCol(notNone=True, default=3))
    assert refusal(model(text=text(), stars=IntCol(notNone=True, defaultSQL="3"))) == (
        "table note: column stars has no default, in the model it has one"
    )


def test_every_contradiction_is_named():
    made(stars=IntCol(notNone=True, default=3))
    said = refusal(model(text=IntCol(), author=text(notNone=True)))
    assert [line.split()[3].strip(",") for line in said.splitlines()] == [
        "text",
        "author",
        "stars",
    ]


def test_a_table_without_the_id_is_refused(connection):
    connection.query("CREATE TABLE note (number INTEGER, text VARCHAR(100))")
    assert refusal(model(text=text())) == ("table note: column id is missing, the id of the model")


def test_a_unique_index_of_rows_that_are_equal_is_refused():
    made()(text="first")
    said = refusal(model(text=text(), byText=DatabaseIndex("text", unique=True)))
    assert said.startswith("table note: index ") and "cannot be added: " in said


@pytest.mark.engines("sqlite")
def test_what_the_engine_cannot_add_is_refused_in_its_own_words():
    made()
    assert refusal(model(text=text(), code=IntCol(unique=True, default=None))) == (
        "table note: column code cannot be added: Cannot add a UNIQUE column"
    )


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("declared", ["VARCHAR(3)", "TEXT", "clob"])
def test_types_that_sqlite_stores_alike_are_the_same(connection, declared):
    connection.query(f"CREATE TABLE note (id INTEGER PRIMARY KEY NOT NULL, text {declared})")
    assert update(model(text=text())) == []


# SQLite knows no lengths.
@pytest.mark.engines(*SERVERS)
def test_a_column_that_is_shorter_than_the_model_is_refused():
    made()
    said = refusal(model(text=text(200)))
    assert "(100), in the model " in said and said.endswith("(200)")


# SQLite knows no users.
@pytest.mark.engines(*SERVERS)
def test_a_user_who_may_create_no_table_uses_the_table_as_it_is(server, uri, monkeypatch):
    made()
    name = uri.rpartition("/")[2].partition("?")[0]
    make_user(server, name)
    limited = connection_for(uri.replace(f"site:{QUOTED_PASSWORD}", f"{name}:{QUOTED_PASSWORD}"))
    monkeypatch.setattr(sqlhub, "processConnection", limited)
    later = model(text=text(), stars=IntCol(defaultSQL="5"))
    assert update(later) == [
        "table note: not compared, because this user may not create a temporary table"
    ]
    limited.close()


def make_user(server, name):
    """Create the user `name`, who may read and write the rows of the database of the same name."""
    if isinstance(server, Postgres):
        server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        server.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
        server.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON note TO {name}", name)
        return
    root = MySQLdb.connect(unix_socket=str(server.folder / "socket"), user="root")
    root.query(f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'")
    root.query(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {name}@'%'")
    root.close()
