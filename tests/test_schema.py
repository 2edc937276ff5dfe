"""The tables of the database are brought to what the models say (app/schema.py), on SQLite.

tests/engines/test_schema.py shows the same on the servers.
"""

import ast
import subprocess
import sys
from itertools import count

import pytest
from sqlobject import (
    BLOBCol,
    BoolCol,
    DatabaseIndex,
    DateCol,
    DateTimeCol,
    DecimalCol,
    EnumCol,
    FloatCol,
    ForeignKey,
    IntCol,
    JSONCol,
    SQLObject,
    StringCol,
    TimeCol,
    UnicodeCol,
    dberrors,
    sqlhub,
)

from app.settings import ROOT
from app.transactions.engines.threads import connection_for
from app.transactions.tables import SchemaError, in_one_transaction, update_table

# Adds a column when it gets a line, and prints what was done.
PROCESS = """
import sys
from sqlobject import IntCol, SQLObject, UnicodeCol, sqlhub
from app.transactions.engines.threads import connection_for
from app.transactions.tables import in_one_transaction, update_table

class Note(SQLObject):
    text = UnicodeCol(length=100)
    stars = IntCol(notNone=True, defaultSQL="5")

sqlhub.processConnection = connection_for(sys.argv[1])
print("ready", flush=True)
input()
print(in_one_transaction(lambda: update_table(Note)))
"""
_registries = count(1)


def model(name="Note", registry=None, **definitions):
    """A class of the table `note`, of which there can be several at the same time."""
    registry = registry or f"test_schema {next(_registries)}"
    meta = type("sqlmeta", (), {"registry": registry})
    return type(name, (SQLObject,), {"sqlmeta": meta, **definitions})


def text(length=100, **options):
    return UnicodeCol(length=length, **options)


def update(later):
    return in_one_transaction(lambda: update_table(later))


def made(**definitions):
    """A model whose table is there with two rows."""
    earlier = model(text=text(), **definitions)
    earlier.createTable()
    for written in ("first", "second"):
        earlier(text=written)
    # It goes by the name of the class, which the later model has too.
    sqlhub.processConnection.cache.clear()
    return earlier


def refusal(later):
    """What the SchemaError says of the column or index; checks that nothing was changed."""
    before = sqlhub.processConnection.queryAll("SELECT * FROM note")
    with pytest.raises(SchemaError) as refused:
        update(later)
    assert sqlhub.processConnection.queryAll("SELECT * FROM note") == before
    said, cure = str(refused.value).rsplit("\n", 1)
    assert "ALTER TABLE in scripts/shell" in cure
    return said


class SchemaFacts:
    """What holds on every engine: `uri` is the fixture of an empty database."""

    @pytest.fixture(autouse=True)
    def connection(self, uri, monkeypatch):
        monkeypatch.setattr(sqlhub, "processConnection", connection_for(uri), raising=False)
        yield sqlhub.processConnection
        sqlhub.processConnection.close()

    def test_a_missing_column_is_added_and_rows_have_its_default(self):
        made()
        later = model(text=text(), stars=IntCol(notNone=True, defaultSQL="5"))
        assert update(later) == ["table note: added column stars"]
        assert [(row.text, row.stars) for row in later.select(orderBy="id")] == [
            ("first", 5),
            ("second", 5),
        ]
        later(text="third", stars=1)
        assert later.selectBy(stars=1).count() == 1

    def test_a_missing_column_that_may_be_null_is_added_without_values(self):
        made()
        later = model(text=text(), subtitle=text(default=None), done=BoolCol(default=None))
        assert update(later) == [
            "table note: added column subtitle",
            "table note: added column done",
        ]
        assert {(row.subtitle, row.done) for row in later.select()} == {(None, None)}

    def test_the_second_time_there_is_nothing_to_do(self):
        made()
        later = model(text=text(), stars=IntCol(defaultSQL="5"), byText=DatabaseIndex("text"))
        assert len(update(later)) == 2
        assert update(later) == []

    def test_a_table_of_columns_of_every_kind_is_what_its_model_says(self):
        registry = f"test_schema kinds {next(_registries)}"
        other = model("Other", registry=registry)
        kinds = model(
            registry=registry,
            text=text(notNone=True, alternateID=True),
            long_text=StringCol(),
            short_text=StringCol(length=3, varchar=False, defaultSQL="'abc'"),
            whole_number=IntCol(notNone=True, defaultSQL="7"),
            real_number=FloatCol(),
            exact_number=DecimalCol(size=10, precision=2),
            yes_or_no=BoolCol(),
            a_day=DateCol(),
            an_hour=TimeCol(),
            a_moment=DateTimeCol(),
            some_bytes=BLOBCol(),
            some_json=JSONCol(),
            a_choice=EnumCol(enumValues=["a", "bc"], notNone=True),
            mixedCase=IntCol(dbName="mixedCase"),
            other=ForeignKey("Other", cascade=True),
            twice=DatabaseIndex("whole_number", "real_number"),
        )
        for each in (other, kinds):
            each.createTable()
            assert update(each) == []

    def test_several_processes_at_the_same_time_add_a_column_once(self, uri):
        made()
        command = [sys.executable, "-c", PROCESS, uri]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(4)]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.communicate()[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 4
        done = [line for lines in said for line in ast.literal_eval(lines)]
        assert done == ["table note: added column stars"]

    def test_a_required_column_without_a_default_is_refused(self):
        made()
        said = refusal(
            model(text=text(), subtitle=text(default=None), author=text(notNone=True, default=""))
        )
        assert said == (
            "table note: column author is missing, in the model it is NOT NULL without a default"
        )

    def test_a_column_that_the_model_has_no_more_is_left_and_named(self):
        made(stars=IntCol(default=3))
        later = model(text=text())
        assert update(later) == ["table note: left column stars, not in the model"]
        later(text="third")
        left = sqlhub.processConnection.queryAll("SELECT stars FROM note ORDER BY id")
        assert [stars for (stars,) in left] == [3, 3, None]

    def test_a_required_column_that_the_model_has_no_more_is_refused(self):
        made(stars=IntCol(notNone=True, default=3))
        assert refusal(model(text=text())) == (
            "table note: column stars, not in the model, is NOT NULL without a default"
        )

    def test_a_required_column_with_a_default_that_the_model_has_no_more_is_left(self):
        made(stars=IntCol(notNone=True, defaultSQL="3"))
        assert update(model(text=text())) == ["table note: left column stars, not in the model"]

    def test_a_column_of_another_type_is_refused(self):
        made()
        said = refusal(model(text=FloatCol()))
        assert said.startswith("table note: column text is of type ")
        assert ", in the model " in said

    def test_a_column_that_holds_longer_text_than_the_model_serves(self):
        made()
        assert update(model(text=text(50))) == []

    def test_a_column_that_may_be_null_in_the_model_alone_is_refused(self):
        made(stars=IntCol(notNone=True, default=3))
        assert refusal(model(text=text(), stars=IntCol())) == (
            "table note: column stars is NOT NULL, in the model it is not"
        )

    def test_a_column_with_a_default_in_the_model_alone_is_refused(self):
        made(stars=IntCol(notNone=True, default=3))
        assert refusal(model(text=text(), stars=IntCol(notNone=True, defaultSQL="3"))) == (
            "table note: column stars has no default, in the model it has one"
        )

    def test_every_contradiction_is_named(self):
        made(stars=IntCol(notNone=True, default=3))
        said = refusal(model(text=IntCol(), author=text(notNone=True)))
        assert [line.split()[3].strip(",") for line in said.splitlines()] == [
            "text",
            "author",
            "stars",
        ]

    def test_a_table_without_the_id_is_refused(self, connection):
        connection.query("CREATE TABLE note (number INTEGER, text VARCHAR(100))")
        assert refusal(model(text=text())) == (
            "table note: column id is missing, the id of the model"
        )

    def test_a_missing_unique_index_is_added_and_holds(self):
        made()
        later = model(text=text(), byText=DatabaseIndex("text", unique=True))
        [said] = update(later)
        assert said.startswith("table note: added index ") and said.endswith("byText")
        with pytest.raises(dberrors.DuplicateEntryError):
            later(text="first")

    def test_a_unique_index_of_rows_that_are_equal_is_refused(self):
        made()(text="first")
        said = refusal(model(text=text(), byText=DatabaseIndex("text", unique=True)))
        assert said.startswith("table note: index ") and "cannot be added: " in said

    def test_a_foreign_key_is_added_with_its_constraint(self, connection):
        registry = f"test_schema key {next(_registries)}"
        model("Author", registry=registry).createTable()
        made()
        later = model(
            registry=registry,
            text=text(),
            author=ForeignKey("Author", default=None, cascade=False),
        )
        assert update(later) == ["table note: added column author_id"]
        with pytest.raises(dberrors.IntegrityError):
            connection.query("UPDATE note SET author_id = 7")


class TestOnSQLite(SchemaFacts):
    @pytest.fixture
    def uri(self, tmp_path):
        return f"sqlite://{tmp_path}/site.db"

    def test_what_the_engine_cannot_add_is_refused_in_its_own_words(self):
        made()
        assert refusal(model(text=text(), code=IntCol(unique=True, default=None))) == (
            "table note: column code cannot be added: Cannot add a UNIQUE column"
        )

    @pytest.mark.parametrize("declared", ["VARCHAR(3)", "TEXT", "clob"])
    def test_types_that_sqlite_stores_alike_are_the_same(self, connection, declared):
        connection.query(f"CREATE TABLE note (id INTEGER PRIMARY KEY NOT NULL, text {declared})")
        assert update(model(text=text())) == []
