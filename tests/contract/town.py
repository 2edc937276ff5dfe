"""A town and its citizens: models of every kind, and an Answer of them beside its plain query."""

from typing import NamedTuple

from sqlobject import (
    DateCol,
    FloatCol,
    ForeignKey,
    IntCol,
    MultipleJoin,
    RelatedJoin,
    SingleJoin,
    SQLMultipleJoin,
    SQLObject,
    SQLObjectNotFound,
    SQLRelatedJoin,
    StringCol,
    sqlhub,
)
from sqlobject.inheritance import InheritableSQLObject
from sqlobject.sqlbuilder import (
    SQLObjectState,
)

# More than the rows have, so that some are missing.
IDS = range(1, 13)
LETTERS = "abcdef"


class Town(SQLObject):
    name = StringCol(alternateID=True, length=30)
    size = IntCol(default=None)
    citizens = MultipleJoin("Citizen", orderBy="id")
    citizens_query = SQLMultipleJoin("Citizen")
    mayor = SingleJoin("Mayor")


class Mayor(SQLObject):
    class sqlmeta:
        lazyUpdate = True

    name = StringCol(length=30)
    town = ForeignKey("Town", unique=True)


class Citizen(SQLObject):
    name = StringCol(length=30)
    age = IntCol(default=None)
    height = FloatCol(default=None)
    born = DateCol(default=None)
    town = ForeignKey("Town", default=None)
    labels = RelatedJoin("Label", orderBy="id")
    labels_query = SQLRelatedJoin("Label")
    friends = SQLRelatedJoin(
        "Citizen", joinColumn="of_id", otherColumn="friend_id", intermediateTable="friendship",
        createRelatedTable=False, addRemoveName="Friend",
    )  # fmt: skip


class Label(SQLObject):
    text = StringCol(length=30)
    citizens = SQLRelatedJoin("Citizen")


class Term(SQLObject):
    """Its ids are text."""

    class sqlmeta:
        idType = str

    meaning = StringCol(length=30)


class Ticket(SQLObject):
    """Its ids are UUIDs, where the engine has such a type."""

    class sqlmeta:
        idType = str

    title = StringCol(length=30)


class Beast(InheritableSQLObject):
    name = StringCol(length=30)


class Hound(Beast):
    tricks = IntCol(default=0)


MODELS = (Town, Mayor, Citizen, Label, Beast, Hound)
PLAIN = (Town, Citizen, Label, Mayor)


class Answer(NamedTuple):
    """`got`: tuples, which should be the rows of `query`, in this order if `ordered`.

    `cls`: the class whose columns decode the rows; None for rows as they come.
    """

    query: str
    got: list
    ordered: bool = True
    cls: type = None

    def expected(self, connection):
        """What `got` should be, read by `connection` without the bundle's kept rows."""
        rows = connection.queryAll(self.query)
        return [tuple(row) if self.cls is None else decoded(self.cls, row) for row in rows]

    def is_right(self, connection):
        expected = self.expected(connection)
        return self.got == expected if self.ordered else sorted_(self.got) == sorted_(expected)


def sorted_(rows):
    return sorted(rows, key=repr)


def decoded(cls, row):
    """A row as the tuple that `values` makes of its instance."""
    if row[0] is None:
        return (None,)
    state = SQLObjectState(cls)
    columns = zip(cls.sqlmeta.columnList, row[1:], strict=True)
    to_python = [(c.to_python or (lambda value, state: value), value) for c, value in columns]
    return (cls.sqlmeta.idType(row[0]), *(to(value, state) for to, value in to_python))


def values(one):
    """An instance as a tuple: its id and its columns."""
    if one is None:
        return (None,)
    return (one.id, *(getattr(one, column.name) for column in one.sqlmeta.columnList))


def listed(select, ordered=True):
    query = str(select.clone(lazyColumns=False))
    return Answer(query, [values(one) for one in select], ordered, select.sourceClass)


def table_query(cls, where, more_tables=""):
    columns = ", ".join(column.dbName for column in cls.sqlmeta.columnList)
    return f"SELECT id, {columns} FROM {cls.sqlmeta.table}{more_tables} WHERE {where}"


def one_row(cls, id):
    """An Answer of the row `id` of `cls`, which may be missing."""
    quoted = sqlhub.threadConnection.sqlrepr(id)
    query = table_query(cls, f"{cls.sqlmeta.table}.id = {quoted}")
    try:
        found = cls.get(id)
    except SQLObjectNotFound:
        return Answer(query, [], cls=cls)
    assert cls.get(id) is found
    return Answer(query, [values(found)], cls=cls)


def uuid_of(number):
    return f"00000000-0000-4000-8000-{number:012d}"
