"""A transaction that ends before its request does: nothing after it is stored."""

import contextlib

import pytest
from sqlobject import dberrors, sqlhub

from app.transactions import TransactionLost, doom, on_commit, savepoint
from tests.contract.site import Entry, add

# Here SQLite rolls the whole transaction back.
OR_ROLLBACK = "INSERT OR ROLLBACK INTO entry (name, number) VALUES ('first', 0)"
TRIGGER = "UPDATE entry SET number = -1 WHERE name = 'first'"


def query(text):
    """Execute `text` in the request's transaction."""
    sqlhub.threadConnection.query(text)


def fill_the_disk():
    (pages,) = sqlhub.threadConnection.queryOne("PRAGMA page_count")
    query(f"PRAGMA max_page_count={pages}")
    for number in range(1000):
        Entry(name=f"{number}".rjust(50))


@pytest.fixture
def filled(site):
    """A site with a row and a trigger that rolls back."""
    site.request(add("first"))
    if site.connection.dbName == "sqlite":
        site.execute(
            "CREATE TRIGGER t BEFORE UPDATE ON entry WHEN NEW.number < 0 "
            "BEGIN SELECT RAISE(ROLLBACK, 'below zero'); END"
        )
    return site


ENDINGS = {
    "OR ROLLBACK": lambda: query(OR_ROLLBACK),
    "a trigger": lambda: query(TRIGGER),
}


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_after_sqlite_has_rolled_back_is_not_there(filled, ending):
    called = []

    def handler():
        on_commit(lambda: called.append(1))
        Entry(name="before")
        with contextlib.suppress(dberrors.Error):
            ENDINGS[ending]()
        with contextlib.suppress(TransactionLost):
            Entry(name="after")
        return "as if"

    assert filled.request(handler).status.startswith("500")
    assert filled.names() == ["first"]
    assert called == []


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("around", [contextlib.nullcontext, savepoint])
def test_nothing_is_there_after_a_full_disk_whose_error_the_handler_swallows(filled, around):
    called = []

    def handler():
        on_commit(lambda: called.append(1))
        Entry(name="before")
        for step in (fill_the_disk, lambda: Entry(name="after")):
            with contextlib.suppress(Exception), around():
                step()
        return "as if"

    assert filled.request(handler).status.startswith("503")
    assert filled.names() == ["first"]
    assert called == []


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_next_statement_says_that_sqlite_has_rolled_back(filled, ending):
    def handler():
        Entry(name="before")
        with contextlib.suppress(dberrors.Error):
            ENDINGS[ending]()
        with pytest.raises(TransactionLost, match="SQLite has rolled the transaction back"):
            Entry.select().count()
        return "refused"

    assert filled.request(handler).status.startswith("500")
    assert filled.names() == ["first"]


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("depth", [1, 2])
def test_the_error_itself_leaves_the_savepoint_in_which_sqlite_has_rolled_back(
    filled, ending, depth
):
    seen = []

    def handler():
        Entry(name="before")
        try:
            with contextlib.ExitStack() as stack:
                for _ in range(depth):
                    stack.enter_context(savepoint())
                ENDINGS[ending]()
        except Exception as error:
            seen.append(error)
        with contextlib.suppress(TransactionLost):
            Entry(name="after")
        return "as if"

    assert filled.request(handler).status.startswith("500")
    assert filled.names() == ["first"]
    assert isinstance(seen[0], dberrors.Error)
    assert "savepoint" not in str(seen[0])


@pytest.mark.engines("sqlite")
def test_the_driver_s_connection_writes_nothing_after_sqlite_has_rolled_back(filled):
    seen = []

    def handler():
        raw = sqlhub.threadConnection.getConnection()
        raw.execute("INSERT INTO entry (name, number) VALUES ('before', 0)")
        try:
            with savepoint():
                with contextlib.suppress(Exception):
                    raw.execute(OR_ROLLBACK)
                raw.execute("INSERT INTO entry (name, number) VALUES ('after', 0)")
                raise KeyError("mine")
        except Exception as error:
            seen.append(error)
        Entry(name="later")
        return "as if"

    assert filled.request(handler).status.startswith("500")
    assert filled.names() == ["first"]
    assert isinstance(seen[0], KeyError)
    assert filled.request(add("next")).data == b"added"
    assert filled.names() == ["first", "next"]


@pytest.mark.engines("sqlite")
def test_what_the_driver_begins_after_sqlite_has_rolled_back_is_not_committed(filled, capsys):
    def handler():
        raw = sqlhub.threadConnection.getConnection()
        Entry(name="before")
        with contextlib.suppress(Exception):
            raw.execute(OR_ROLLBACK)
        raw.execute("INSERT INTO entry (name, number) VALUES ('after', 0)")
        return "as if"

    assert filled.request(handler).status.startswith("500")
    assert "TransactionLost: SQLite has rolled the transaction back" in capsys.readouterr().err
    assert filled.names() == ["first"]
    assert filled.request(add("next")).data == b"added"
    assert filled.names() == ["first", "next"]


# What a handler may call on the driver's connection to end the transaction.
RAW = {
    "commit()": lambda raw: raw.commit(),
    "rollback()": lambda raw: raw.rollback(),
    "with": lambda raw: raw.__enter__().__exit__(None, None, None),
    "close()": lambda raw: raw.close(),
    "COMMIT": lambda raw: raw.cursor().execute("COMMIT"),
    "comment": lambda raw: raw.cursor().execute("/* a */ -- b\n commit"),
    "ROLLBACK": lambda raw: raw.cursor().execute("ROLLBACK"),
    "BEGIN": lambda raw: raw.cursor().execute("BEGIN"),
}


@pytest.mark.engines("mariadb")
@pytest.mark.parametrize("name", ["autocommit", "begin"])
def test_what_commits_on_mariadb_s_connection_is_refused(site, name):
    arguments = [True] if name == "autocommit" else []

    def handler():
        raw = sqlhub.threadConnection.getConnection()
        Entry(name="a")
        with pytest.raises(RuntimeError, match="request"):
            getattr(raw, name)(*arguments)
        doom()
        return "refused"

    assert site.request(handler).data == b"refused"
    assert site.names() == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("way", RAW)
def test_the_driver_s_connection_refuses_to_end_the_transaction_and_says_why(site, way, method):
    said = []

    def handler():
        raw = sqlhub.threadConnection.getConnection()
        if method == "POST":
            Entry(name="before")
        try:
            RAW[way](raw)
        except Exception as error:
            said.append(str(error))
            raise

    assert site.request(handler, method).status.startswith("500")
    assert site.names() == []
    assert "request" in said[0]


@pytest.mark.parametrize("way", RAW)
def test_what_comes_after_a_refused_end_still_belongs_to_the_transaction(site, way):
    def handler():
        raw = sqlhub.threadConnection.getConnection()
        Entry(name="before")
        with contextlib.suppress(Exception):
            RAW[way](raw)
        raw.cursor().execute("INSERT INTO entry (name, number) VALUES ('after', 0)")
        assert site.names() == []
        return "added"

    assert site.request(handler).data == b"added"
    assert site.names() == ["before", "after"]
