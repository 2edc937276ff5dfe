"""Models of one table in several states, for tests of a changed model."""

from itertools import count

import pytest
from sqlobject import SQLObject, UnicodeCol, sqlhub

from app.transactions import SchemaError
from app.transactions.tables import in_one_transaction, update_table

_registries = count(1)


def new_registry():
    """The name of a registry for classes that refer to one another."""
    return f"test_tables {next(_registries)}"


def model(name="Note", registry=None, **definitions):
    """A class of the table `note`, of which there can be several at the same time."""
    meta = type("sqlmeta", (), {"registry": registry or new_registry()})
    return type(name, (SQLObject,), {"sqlmeta": meta, **definitions})


def text(length=100, **options):
    return UnicodeCol(length=length, **options)


def update(later):
    return in_one_transaction(lambda: update_table(later))


def made(**definitions):
    """A model whose table exists with two rows."""
    earlier = model(text=text(), **definitions)
    earlier.createTable()
    for written in ("first", "second"):
        earlier(text=written)
    # The cache goes by the name of the class, which the later model has too.
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
