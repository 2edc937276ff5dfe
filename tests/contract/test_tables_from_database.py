"""A class that takes its columns from the table (fromDatabase) does not contradict it."""

import pytest
from sqlobject import (
    BigIntCol,
    BLOBCol,
    BoolCol,
    DateCol,
    DateTimeCol,
    DecimalCol,
    EnumCol,
    FloatCol,
    ForeignKey,
    IntCol,
    JSONCol,
    SmallIntCol,
    SQLObject,
    StringCol,
    TimeCol,
)

from app.transactions.tables import in_one_transaction, missing_in_table
from tests.contract.tables import made, model, new_registry, refusal, text, update

pytestmark = pytest.mark.usefixtures("connection")


def from_database(table="note", **definitions):
    """A class of `table` that has what the table has, and `definitions`."""
    meta = {"registry": new_registry(), "table": table, "fromDatabase": True}
    return type("Found", (SQLObject,), {"sqlmeta": type("sqlmeta", (), meta), **definitions})


def missing(found):
    return in_one_transaction(lambda: missing_in_table(found))


def test_a_table_of_columns_of_every_kind_lacks_nothing():
    registry = new_registry()
    model("Other", registry=registry).createTable()
    model(
        registry=registry,
        text=text(notNone=True, alternateID=True),
        optional=text(default=None),
        long_text=StringCol(),
        short_text=StringCol(length=3, varchar=False, defaultSQL="'abc'"),
        whole_number=IntCol(notNone=True, defaultSQL="7"),
        small_number=SmallIntCol(),
        big_number=BigIntCol(),
        real_number=FloatCol(),
        exact_number=DecimalCol(size=10, precision=2),
        yes_or_no=BoolCol(),
        a_day=DateCol(),
        an_hour=TimeCol(),
        a_moment=DateTimeCol(),
        some_bytes=BLOBCol(),
        some_json=JSONCol(),
        a_choice=EnumCol(enumValues=["a", "bc"], notNone=True),
        other=ForeignKey("Other", cascade=True),
    ).createTable()
    found = from_database()
    assert len(found.sqlmeta.columnList) == 17
    assert missing(found) == update(found) == []


@pytest.mark.engines("postgres", "postgres-psycopg2", "mariadb")
def test_types_that_no_class_can_have_lack_nothing(connection):
    key = "SERIAL" if connection.dbName == "postgres" else "INTEGER AUTO_INCREMENT"
    connection.query(
        f"CREATE TABLE note (id {key} PRIMARY KEY, text VARCHAR(50) NOT NULL, "
        "ratio DOUBLE PRECISION NOT NULL, moment TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
    )
    assert missing(from_database()) == []


def test_a_column_that_it_names_itself_is_added():
    made()
    found = from_database(stars=IntCol(notNone=True, defaultSQL="5"))
    assert missing(found) == ["column stars"]
    assert update(found) == ["table note: added column stars"]
    assert update(found) == []


def test_a_required_column_that_it_names_itself_is_refused():
    made()
    assert refusal(from_database(stars=IntCol(notNone=True))) == (
        "table note: column stars is missing, in the model it is NOT NULL without a default"
    )


def test_a_column_that_it_names_itself_as_the_table_has_it_lacks_nothing():
    made(stars=IntCol(notNone=True, default=3))
    assert missing(from_database(stars=IntCol(notNone=True, default=3))) == []
