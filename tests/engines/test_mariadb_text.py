"""MariaDB stores bytes and text as sent, whatever its defaults, or refuses them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlobject import BLOBCol, SQLObject, StringCol, UnicodeCol, dberrors

from app.transactions.engines.threads import connection_for


class Text(SQLObject):
    class sqlmeta:
        table = "texts"

    string = StringCol(length=100, default="", unique=True)
    text = UnicodeCol(default="")
    data = BLOBCol(default=b"")


@pytest.fixture
def engine():
    return "mariadb"


@pytest.fixture
def connection(uri):
    connection = connection_for(uri)
    Text.createTable(connection=connection)
    yield connection
    connection.close()


def test_options_that_would_change_text_are_refused(uri):
    with pytest.raises(ValueError, match="charset"):
        connection_for(f"{uri}?charset=latin1")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=255))
def test_bytes_come_back_as_they_were_sent(connection, data):
    text = Text(connection=connection, data=data)
    connection.cache.clear()
    assert Text.get(text.id, connection=connection).data == data
    Text.delete(text.id, connection=connection)


def test_different_strings_are_different_values_of_a_unique_column(connection):
    names = ["a", "A", "a ", " a", "á", "a\u0301", "ß", "ss", "\U0001f40d", "\U0001f40e", "", "\0"]
    for name in names:
        Text(string=name, connection=connection)
    assert Text.select(connection=connection).count() == len(names)
    assert Text.selectBy(string="A", connection=connection).count() == 1


@pytest.mark.parametrize("text", ["\ud800", "\udcc3\udca9"])
def test_a_lone_surrogate_is_refused(connection, text):
    with pytest.raises(dberrors.DataError, match="Unicode"):
        Text(text=text, connection=connection)
    assert Text.select(connection=connection).count() == 0


def test_text_that_is_too_long_is_refused_not_cut(connection):
    with pytest.raises(dberrors.DataError):
        Text(string="a" * 101, connection=connection)
