"""Text and bytes reach the database as they were sent or are refused."""

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlobject import BLOBCol, SQLObject, StringCol, UnicodeCol, dberrors, sqlhub

from app.transactions import connection_for, transaction_per_request
from tests.contract.site import SERVERS
from tests.http_client import site_client

AWKWARD = st.sampled_from("\x00\\'\"`%_;$\n\r\t\b\x1a\x7f\u2028\ufffe\U0001f600\ud800é{}?: ")
TEXT = st.text(AWKWARD | st.characters(), min_size=1, max_size=40)
COLUMNS = ("body", "line", "wideBody", "wideLine")

on_each_example = effort(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Passage(SQLObject):
    body = StringCol()
    line = StringCol(length=160)
    wideBody = UnicodeCol()
    wideLine = UnicodeCol(length=160)


def unstorable(text):
    """Whether an engine may refuse `text`: U+0000, and what UTF-8 cannot encode."""
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


def check_columns(uri, text):
    """Save `text` in every kind of column and read it on a new connection."""
    load_sqlo = transaction_per_request(uri)
    load_sqlo()
    try:
        Passage.createTable(ifNotExists=True)
        before = Passage.select().count()
        try:
            passage = Passage(**dict.fromkeys(COLUMNS, text))
        except Exception:
            assert unstorable(text)
            assert Passage.select().count() == before
            return
        number = passage.id
        sqlhub.processConnection.cache.clear()
        assert [getattr(Passage.get(number), column) for column in COLUMNS] == [text] * 4
        assert [found.id for found in Passage.selectBy(wideLine=text)][-1] == number
    finally:
        sqlhub.processConnection.cache.clear()
        del sqlhub.processConnection


@example("\\")
@example("\\' OR 1=1 --")
@example("a\0b")
@example("\x001")
@given(TEXT)
@on_each_example
def test_text_is_stored_as_sent_or_refused(uri, text):
    check_columns(uri, text)


@pytest.fixture
def api_client(uri, tmp_path):
    with site_client(tmp_path, uri=uri) as client:
        yield client


def check_api(client, name, fullname):
    sent = {"name": name, "fullname": fullname, "password": "open sesame"}
    answer = client.send("POST", "/api/users", sent)
    assert answer.status in (201, 409, 422), answer
    if answer.status == 201:
        user = client.get(f"/api/users/{answer.json['id']}").json
        assert (user["name"], user["fullname"]) == (name, fullname)
    else:
        assert {fault["field"] for fault in answer.json["errors"]} <= set(sent)


@example("a\0b", "c")
@example("a", "\\'\"")
@given(TEXT, TEXT)
@effort(parent=on_each_example, max_examples=60)
def test_the_api_stores_text_as_sent_or_answers_4xx(api_client, name, fullname):
    check_api(api_client, name, fullname)


class Text(SQLObject):
    class sqlmeta:
        table = "texts"

    string = StringCol(length=100, default="", unique=True)
    text = UnicodeCol(default="")
    data = BLOBCol(default=b"")


@pytest.fixture
def connection(uri):
    connection = connection_for(uri)
    Text.createTable(connection=connection)
    yield connection
    connection.close()


@given(data=st.binary(max_size=255))
@on_each_example
def test_bytes_come_back_as_they_were_sent(connection, data):
    text = Text(connection=connection, data=data)
    connection.cache.clear()
    assert Text.get(text.id, connection=connection).data == data
    Text.delete(text.id, connection=connection)


def test_different_strings_are_different_values_of_a_unique_column(connection, engine):
    names = ["a", "A", "a ", " a", "á", "a\u0301", "ß", "ss", "\U0001f40d", "\U0001f40e", ""]
    # The others refuse U+0000.
    names += ["\0"] if engine == "mariadb" else []
    for name in names:
        Text(string=name, connection=connection)
    assert Text.select(connection=connection).count() == len(names)
    assert Text.selectBy(string="A", connection=connection).count() == 1


@pytest.mark.parametrize("text", ["\ud800", "\udcc3\udca9"])
def test_a_lone_surrogate_is_refused(connection, text):
    with pytest.raises((dberrors.DataError, UnicodeEncodeError), match="(?i)unicode|surrogates"):
        Text(text=text, connection=connection)
    assert Text.select(connection=connection).count() == 0


# SQLite knows no length of a column.
@pytest.mark.engines(*SERVERS)
def test_text_that_is_too_long_is_refused_not_cut(connection):
    with pytest.raises(dberrors.DataError):
        Text(string="a" * 101, connection=connection)
