"""Text reaches the database as it was sent or is refused, on each engine."""

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlobject import SQLObject, StringCol, UnicodeCol, sqlhub

from app.transactions.processor import transaction_per_request
from tests.http_client import serving

AWKWARD = st.sampled_from("\x00\\'\"`%_;$\n\r\t\b\x1a\x7f\u2028\ufffe\U0001f600\ud800é{}?: ")
TEXT = st.text(AWKWARD | st.characters(), min_size=1, max_size=40)
COLUMNS = ("body", "line", "wideBody", "wideLine")

on_each_example = effort(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Note(SQLObject):
    body = StringCol()
    line = StringCol(length=160)
    wideBody = UnicodeCol()
    wideLine = UnicodeCol(length=160)


@pytest.fixture
def sqlite(tmp_path):
    return f"sqlite://{tmp_path}/site.db"


def unstorable(text):
    """Whether an engine may refuse `text`: U+0000, and what UTF-8 cannot encode."""
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


def check_columns(uri, text):
    """Save `text` in every kind of column and read it on a new connection."""
    load_sqlo = transaction_per_request(uri)
    load_sqlo()
    try:
        Note.createTable(ifNotExists=True)
        before = Note.select().count()
        try:
            note = Note(**dict.fromkeys(COLUMNS, text))
        except Exception:
            assert unstorable(text)
            assert Note.select().count() == before
            return
        number = note.id
        sqlhub.processConnection.cache.clear()
        assert [getattr(Note.get(number), column) for column in COLUMNS] == [text] * 4
        assert [found.id for found in Note.selectBy(wideLine=text)][-1] == number
    finally:
        sqlhub.processConnection.cache.clear()
        del sqlhub.processConnection


@example("\\")
@example("\\' OR 1=1 --")
@example("a\0b")
@example("\x001")
@given(TEXT)
@on_each_example
def test_a_server_stores_text_as_sent_or_refuses_it(uri, text):
    check_columns(uri, text)


@example("a\0b")
@given(TEXT)
@on_each_example
def test_sqlite_stores_text_as_sent_or_refuses_it(sqlite, text):
    check_columns(sqlite, text)


def check_api(client, name, fullname):
    sent = {"name": name, "fullname": fullname, "password": "p"}
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


@pytest.fixture
def api_client(uri, tmp_path):
    with serving(tmp_path, uri=uri) as client:
        yield client
