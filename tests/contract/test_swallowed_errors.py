"""A handler that catches a database error does not acknowledge what may not be there."""

import contextlib

import web
from sqlobject import SQLObject, dberrors, sqlhub

from tests.contract.site import Entry, add


class WithoutTable(SQLObject):
    pass


def test_a_swallowed_database_error_is_not_acknowledged(site):
    site.request(add("a"))

    def handler():
        Entry(name="b")
        try:
            Entry(name="a")
        except dberrors.DuplicateEntryError:
            return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == ["a"]


def test_to_ask_for_a_table_that_is_not_there_is_no_error(site):
    def handler():
        Entry(name="a")
        return str(bool(WithoutTable.tableExists()))

    answer = site.request(handler)
    assert (answer.status, answer.data) == ("200 OK", b"False")
    assert site.names() == ["a"]


def test_to_ask_for_a_table_takes_no_earlier_error_back(site):
    def handler():
        Entry(name="a")
        with contextlib.suppress(dberrors.Error):
            Entry(name="a")
        with contextlib.suppress(dberrors.Error):
            WithoutTable.tableExists()
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


def test_a_4xx_after_a_database_error_is_the_answer_and_rolls_back(site):
    site.request(add("a"))

    def handler():
        Entry(name="b")
        try:
            Entry(name="a")
        except dberrors.DuplicateEntryError:
            raise web.conflict() from None

    assert site.request(handler).status.startswith("409")
    assert site.names() == ["a"]


def test_a_swallowed_error_turned_into_a_redirect_answers_500_without_its_location(site):
    site.request(add("a"))

    def handler():
        try:
            Entry(name="a")
        except dberrors.DuplicateEntryError:
            raise web.seeother("/done") from None

    response = site.request(handler)
    assert response.status.startswith("500")
    assert "Location" not in response.headers


def test_a_syntax_error_as_the_first_query_leaves_no_write_outside_the_transaction(site):
    def handler():
        with contextlib.suppress(dberrors.Error):
            sqlhub.threadConnection.query("SELEC 1")
        with contextlib.suppress(dberrors.Error):
            Entry(name="a")
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == []
