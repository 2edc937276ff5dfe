"""Foreign keys on SQLite: enforced by default, also where a table is dropped."""

import subprocess
import sys

import pytest
from sqlobject import ForeignKey, SQLObject, StringCol, dberrors, sqlhub
from sqlobject.versioning import Versioning

from app.database import MOST_NAMED
from app.transactions import doom, savepoint
from tests.contract.site import no_transaction
from tests.contract.test_start import command, make_database

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
def test_a_table_to_which_no_row_refers_is_dropped_in_a_request(site, cascade, method):
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


def test_a_table_is_dropped_and_created_again_in_one_request(site):
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
    """The bundle cannot remove it. Left behind, it would let every later write fail."""
    site = make_site(models=MODELS)
    site.request(fill)
    site.execute('CREATE TABLE "odd" ("writer" INT REFERENCES "writer" ("id") ON DELETE CASCADE)')
    site.execute("INSERT INTO odd VALUES (1)")
    assert site.request(drop(Writer, True)).status.startswith("500")
    assert counts(site, "writer", "poem", "note", "odd") == [2, 1, 1, 1]


@pytest.fixture
def old(server, uri, tmp_path):
    """Returns a function that executes a query on a site's database as an old application did."""
    assert make_database(uri, tmp_path).returncode == 0
    database = uri.rpartition("/")[2]

    def execute(query):
        server.execute(query, database)

    execute("CREATE TABLE shelf (id INTEGER PRIMARY KEY)")
    execute("CREATE TABLE book (id INTEGER PRIMARY KEY, shelf_id INT REFERENCES shelf (id))")
    return execute


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_the_start_names_rows_that_refer_to_missing_rows(old, uri, tmp_path, options):
    assert make_database(uri, tmp_path, *options).stderr == ""
    old("INSERT INTO book VALUES (3, 1), (4, NULL), (5, 2)")
    done = make_database(uri, tmp_path, *options)
    assert done.returncode == 0
    assert "SITE_FOREIGN_KEYS=off" in done.stderr
    assert done.stderr.splitlines()[1:] == [
        f"table book: row {number} refers to a missing row of shelf" for number in (3, 5)
    ]
    assert make_database(uri, tmp_path, *options, SITE_FOREIGN_KEYS="off").stderr == ""


def test_the_start_names_the_first_of_many_rows_and_says_how_many_there_are(old, uri, tmp_path):
    old("WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 1000) "
        "INSERT INTO book SELECT i, i FROM n")  # fmt: skip
    lines = make_database(uri, tmp_path).stderr.splitlines()
    assert len(lines) == MOST_NAMED + 2
    assert lines[-1] == f"and {1000 - MOST_NAMED} more: PRAGMA foreign_key_check"


def test_the_start_says_that_foreign_keys_cannot_be_checked(old, uri, tmp_path):
    old("CREATE TABLE wrong (shelf INT REFERENCES book (shelf_id))")
    old("INSERT INTO wrong VALUES (1)")
    done = make_database(uri, tmp_path)
    assert done.returncode == 0
    assert "foreign key mismatch" in done.stderr


@pytest.mark.parametrize(("value", "enforced"), [("on", 1), ("off", 0)])
def test_the_setting_says_whether_foreign_keys_are_enforced(old, uri, tmp_path, value, enforced):
    code = (
        "from app import load_sqlo; from sqlobject import sqlhub; load_sqlo(); "
        "print(sqlhub.processConnection.queryOne('PRAGMA foreign_keys')[0])"
    )
    options = command(uri, tmp_path, SITE_FOREIGN_KEYS=value)
    options["args"] = [sys.executable, "-c", code]
    assert subprocess.run(**options).stdout == f"{enforced}\n"
