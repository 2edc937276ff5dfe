"""Tables follow their models: missing columns and indexes are added, others stay."""

import ast
import subprocess
import sys

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
    StringCol,
    TimeCol,
    dberrors,
    sqlhub,
)

from app.settings import ROOT
from tests.contract.tables import made, model, new_registry, text, update

pytestmark = pytest.mark.usefixtures("connection")

# Adds a column when it gets a line, and prints what was done.
PROCESS = """
import sys
from sqlobject import IntCol, SQLObject, UnicodeCol, sqlhub
from app.transactions import connection_for
from app.transactions.tables import in_one_transaction, update_table

class Note(SQLObject):
    text = UnicodeCol(length=100)
    stars = IntCol(notNone=True, defaultSQL="5")

sqlhub.processConnection = connection_for(sys.argv[1])
print("ready", flush=True)
input()
print(in_one_transaction(lambda: update_table(Note)))
"""


def test_a_missing_column_is_added_and_rows_have_its_default():
    made()
    later = model(text=text(), stars=IntCol(notNone=True, defaultSQL="5"))
    assert update(later) == ["table note: added column stars"]
    assert [(row.text, row.stars) for row in later.select(orderBy="id")] == [
        ("first", 5),
        ("second", 5),
    ]
    later(text="third", stars=1)
    assert later.selectBy(stars=1).count() == 1


def test_a_missing_column_that_may_be_null_is_added_without_values():
    made()
    later = model(text=text(), subtitle=text(default=None), done=BoolCol(default=None))
    assert update(later) == [
        "table note: added column subtitle",
        "table note: added column done",
    ]
    assert {(row.subtitle, row.done) for row in later.select()} == {(None, None)}


def test_the_second_time_there_is_nothing_to_do():
    made()
    later = model(text=text(), stars=IntCol(defaultSQL="5"), byText=DatabaseIndex("text"))
    assert len(update(later)) == 2
    assert update(later) == []


def test_a_table_of_columns_of_every_kind_is_what_its_model_says():
    registry = new_registry()
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


def test_several_processes_at_the_same_time_add_a_column_once(uri):
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


def test_a_column_that_left_the_model_stays_and_is_named():
    made(stars=IntCol(default=3))
    later = model(text=text())
    assert update(later) == ["table note: left column stars, not in the model"]
    later(text="third")
    left = sqlhub.processConnection.queryAll("SELECT stars FROM note ORDER BY id")
    assert [stars for (stars,) in left] == [3, 3, None]


def test_a_required_column_with_a_default_that_left_the_model_stays():
    made(stars=IntCol(notNone=True, defaultSQL="3"))
    assert update(model(text=text())) == ["table note: left column stars, not in the model"]


def test_a_missing_unique_index_is_added_and_holds():
    made()
    later = model(text=text(), byText=DatabaseIndex("text", unique=True))
    [said] = update(later)
    assert said.startswith("table note: added index ") and said.endswith("byText")
    with pytest.raises(dberrors.DuplicateEntryError):
        later(text="first")


def test_a_foreign_key_is_added_with_its_constraint(connection):
    registry = new_registry()
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
