"""Foreign keys on SQLite: enforced unless told otherwise, and tables that go with their rows."""

import pytest
from sqlobject import ForeignKey, SQLObject, StringCol, dberrors, sqlhub
from sqlobject.versioning import Versioning

from app.transactions import doom, savepoint
from tests.contract.site import no_transaction

pytestmark = pytest.mark.engines("sqlite")


class Writer(SQLObject):
    name = StringCol()
    mentor = ForeignKey("Writer", default=None)


class Poem(SQLObject):
    title = StringCol()
    writer = ForeignKey("Writer")


class Note(SQLObject):
    writer = ForeignKey("Writer", cascade=True)


class Versioned(SQLObject):
    name = StringCol()
    versions = Versioning()


MODELS = (Writer, Poem, Note, Versioned, Versioned.versions.versionClass)


@pytest.fixture(params=[True, False], ids=["enforced", "not enforced"])
def enforced(request):
    return request.param


@pytest.fixture
def site(make_site, enforced):
    """A site with a writer who has a poem and a note."""
    site = make_site(models=MODELS, foreign_keys=enforced)
    site.request(fill)
    return site


def fill():
    writer = Writer(name="a")
    Writer(name="b", mentor=writer)
    Poem(title="p", writer=writer)
    Note(writer=writer)
    Versioned(name="v").name = "w"


def counts(site, *tables):
    return [site.execute(f"SELECT count(*) FROM {table}")[0][0] for table in tables]


def test_a_parent_is_deleted_before_its_children_where_keys_are_not_enforced(site, enforced):
    def handler():
        Poem.get(1).expire()
        Writer.delete(1)
        Poem.get(1).destroySelf()

    answer = site.request(handler)
    assert answer.status.startswith("500" if enforced else "200")
    assert counts(site, "writer", "poem") == ([2, 1] if enforced else [1, 0])


def test_a_versioned_row_is_destroyed_where_keys_are_not_enforced(site, enforced):
    answer = site.request(lambda: Versioned.get(1).destroySelf())
    assert answer.status.startswith("500" if enforced else "200")
    assert counts(site, "versioned") == [1 if enforced else 0]


def test_a_refused_deletion_is_an_error_that_a_savepoint_undoes(make_site):
    site = make_site(models=MODELS)
    site.request(fill)

    def handler():
        with pytest.raises(dberrors.IntegrityError, match="FOREIGN KEY"), savepoint():
            Writer.delete(1)
        return "refused"

    assert site.request(handler).data == b"refused"


def drop(model, cascade):
    def handler():
        model.dropTable(cascade=cascade)
        return "dropped"

    return handler


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("cascade", [False, True])
def test_a_table_to_which_none_refers_is_dropped_in_a_request(site, cascade, method):
    assert site.request(drop(Poem, cascade), method).data == b"dropped"
    assert not site.connection.tableExists("poem")
    assert counts(site, "writer", "note") == [2, 1]
    assert no_transaction()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_rows_that_refer_to_a_table_stay_where_it_is_dropped_with_cascade(site, enforced, method):
    assert site.request(drop(Writer, True), method).data == b"dropped"
    assert counts(site, "poem", "note") == [1, 1]
    assert site.execute("PRAGMA foreign_key_check") == []
    # What referred to the table can be changed again.
    assert site.request(lambda: Poem.get(1).set(title="q")).status == "200 OK"
    assert site.request(lambda: Poem.get(1).destroySelf()).status == "200 OK"
    assert site.request(lambda: Poem._connection.queryOne("PRAGMA foreign_keys")[0]).data == (
        b"%d" % enforced
    )


def test_a_dropped_table_is_there_again_after_a_rollback(site):
    def handler():
        Writer.dropTable(cascade=True)
        doom()
        return "as if"

    assert site.request(handler).data == b"as if"
    assert counts(site, "writer", "poem", "note") == [2, 1, 1]
    (definition,) = site.execute("SELECT sql FROM sqlite_master WHERE name = 'poem'")[0]
    assert "REFERENCES" in definition


def test_a_table_is_dropped_and_made_anew_in_one_request(site):
    def handler():
        Writer.dropTable(cascade=True)
        Writer.createTable()
        Writer(name="new")
        return Writer.get(1).name

    assert site.request(handler).data == b"new"
    assert counts(site, "writer", "poem") == [1, 1]


def test_a_drop_without_cascade_does_not_delete_the_rows_that_refer_to_the_table(site, enforced):
    """SQLite would: it deletes the table's rows first, and by ON DELETE CASCADE others."""
    answer = site.request(drop(Writer, False))
    assert answer.status.startswith("500" if enforced else "200")
    assert counts(site, "poem", "note") == [1, 1]


def test_a_drop_outside_of_requests_is_as_in_them(site, enforced, monkeypatch):
    monkeypatch.setattr(sqlhub, "processConnection", site.connection, raising=False)
    if enforced:
        with pytest.raises(dberrors.Error, match="cascade=True"):
            Writer.dropTable()
    Writer.dropTable(cascade=True)
    assert counts(site, "poem", "note") == [1, 1]
    assert site.execute("PRAGMA foreign_key_check") == []


def test_a_reference_that_is_written_in_another_way_is_not_left_behind(make_site):
    """What the bundle cannot remove, it does not break: every later write would fail."""
    site = make_site(models=MODELS)
    site.request(fill)
    site.execute('CREATE TABLE "odd" ("writer" INT REFERENCES "writer" ("id") ON DELETE CASCADE)')
    site.execute("INSERT INTO odd VALUES (1)")
    assert site.request(drop(Writer, True)).status.startswith("500")
    assert counts(site, "writer", "poem", "note", "odd") == [2, 1, 1, 1]
