"""Queries of every shape that SQLObject builds, each with its answer and its plain SQL.

A shape is called in a request with a random.Random and returns an Answer: what SQLObject gave, and
the plain query whose rows say what it should have given.
"""

from sqlobject import AND, SQLObject, SQLObjectNotFound, sqlhub
from sqlobject.sqlbuilder import (
    DESC,
    EXISTS,
    IN,
    LIKE,
    NOT,
    OR,
    Alias,
    LEFTJOINOn,
    Outer,
    RIGHTJOINOn,
    Select,
    func,
)

from tests.contract.town import (
    IDS,
    LETTERS,
    PLAIN,
    Answer,
    Beast,
    Citizen,
    Hound,
    Label,
    Mayor,
    Term,
    Ticket,
    Town,
    listed,
    one_row,
    table_query,
    uuid_of,
    values,
)


def get(choice):
    return one_row(choice.choice(PLAIN), choice.choice(IDS))


def get_many(choice):
    ids = choice.sample(IDS, 4)
    found = [one_row(Citizen, id) for id in ids]
    query = table_query(Citizen, f"id IN ({', '.join(map(str, ids))})")
    return Answer(query, [row for answer in found for row in answer.got], False, Citizen)


def get_text(choice):
    return one_row(Term, choice.choice(LETTERS))


def get_uuid(choice):
    return one_row(Ticket, uuid_of(choice.choice(IDS)))


def expired(choice):
    answer = one_row(Citizen, choice.choice(IDS))
    for id, *_ in answer.got:
        citizen = Citizen.get(id)
        choice.choice([citizen.sync, citizen.expire, citizen.syncUpdate])()
        return answer._replace(got=[values(citizen)])
    return answer


CLAUSES = (
    None,
    "citizen.name <> ';'",
    "citizen.name LIKE '%a%'",
    "citizen.name <> '%s' AND citizen.age % 3 = 0",
    "citizen.age > 3 /* not the young */",
    "citizen.age > 3 -- not the young\n",
    "citizen.name <> '/*' AND citizen.name <> '--'",
    "citizen.name <> 'it''s' OR 1 = 1",
    "citizen.age IS NULL",
    "citizen.age BETWEEN 2 AND 5",
    "coalesce(citizen.age, 0) > 2",
    "1 = 0",
    Citizen.q.age > 3,
    Citizen.q.age == None,  # noqa: E711
    AND(Citizen.q.age != 3, OR(Citizen.q.height > 1.5, Citizen.q.town == 1)),
    NOT(Citizen.q.age > 3),
    IN(Citizen.q.id, [1, 2, 3, 40]),
    IN(Citizen.q.town, Select(Town.q.id, where=Town.q.size > 3)),
    EXISTS(Select(Town.q.id, where=Outer(Citizen).q.town == Town.q.id)),
    LIKE(Citizen.q.name, "%b%"),
    Citizen.q.name.startswith("a"),
    func.LENGTH(Citizen.q.name) > 1,
)
# NULLs are first or last, as the engine has it.
ORDERS = (
    "id", "-id", ["age", "id"], ["-age", "id"], [DESC(Citizen.q.age), Citizen.q.id],
    ["-height", "name", "id"], ["born", "-id"], ["townID", "id"], [Citizen.q.name, Citizen.q.id],
)  # fmt: skip


def select(choice):
    # PostgreSQL refuses both at once: it orders distinct rows only by their own columns.
    more = choice.choice([{}, {}, {}, {"distinct": True}, {"lazyColumns": True}])
    made = Citizen.select(choice.choice(CLAUSES), orderBy=choice.choice(ORDERS), **more)
    if choice.random() < 0.2:
        made = made.filter(Citizen.q.age < 6)
    return listed(made.reversed() if choice.random() < 0.2 else made)


def whole_table(choice):
    cls = choice.choice(PLAIN)
    return listed(cls.select(), ordered=False)


def whole_table_of_text(choice):
    cls = choice.choice([Term, Ticket])
    return listed(cls.select(orderBy=choice.choice(["id", "-id"])))


def sliced(choice):
    made = Citizen.select(choice.choice(CLAUSES), orderBy=choice.choice(ORDERS))
    start, length = choice.randrange(4), choice.randrange(1, 5)
    cuts = [made[start : start + length], made[:length], made.limit(length)]
    if sqlhub.threadConnection.dbName != "mysql":
        # SQLObject writes LIMIT -1 there, which MariaDB refuses.
        cuts.append(made[start:])
    return listed(choice.choice(cuts))


def one_of(choice):
    made = Citizen.select(orderBy=choice.choice(ORDERS))
    number = choice.randrange(4)
    try:
        found = [values(made[number])]
    except IndexError:
        found = []
    return Answer(str(made[number : number + 1]), found, cls=Citizen)


def broken_off(choice):
    made = Citizen.select(orderBy=choice.choice(ORDERS))
    for citizen in made:
        return Answer(str(made[:1]), [values(citizen)], cls=Citizen)
    return listed(made)


def by_value(choice):
    return listed(Citizen.selectBy(age=choice.choice([None, 1, 2, 3])), ordered=False)


def by_alternate_id(choice):
    name = choice.choice(LETTERS)
    query = table_query(Town, f"name = '{name}'")
    try:
        return Answer(query, [values(Town.byName(name))], cls=Town)
    except SQLObjectNotFound:
        return Answer(query, [], cls=Town)


def aggregate(choice):
    made = Citizen.select(choice.choice(CLAUSES))
    where = str(made).partition("WHERE")[2]
    name = choice.choice(["MAX", "MIN", "SUM", "COUNT"])
    if name == "COUNT":
        return Answer(f"SELECT COUNT(*) FROM citizen WHERE {where}", [(made.count(),)])
    got = getattr(made, name.lower())(Citizen.q.age)
    return Answer(f"SELECT {name}(age) FROM citizen WHERE {where}", [(got,)])


def grouped(choice):
    query = Select(
        [Citizen.q.town, func.COUNT(Citizen.q.id)],
        groupBy=Citizen.q.town,
        orderBy=Citizen.q.town,
    )
    connection = sqlhub.threadConnection
    query = connection.sqlrepr(query)
    return Answer(query, [tuple(row) for row in connection.queryAll(query)])


def raw(choice):
    query = f"SELECT id, name FROM town WHERE id < {choice.choice(IDS)} ORDER BY id"
    return Answer(query, [tuple(row) for row in sqlhub.threadConnection.queryAll(query)])


def joined(choice):
    on = Citizen.q.town == Town.q.id
    other = Alias(Citizen, "other")
    joins = [
        {"clause": on},
        {"clause": "citizen.town_id = town.id", "clauseTables": ["town"]},
        {"clause": None, "join": LEFTJOINOn(Citizen, Town, on)},
        {"clause": AND(Citizen.q.town == other.q.town, Citizen.q.id < other.q.id)},
        {"clause": AND(on, Town.q.size > 2), "distinct": True},
    ]
    return listed(Citizen.select(**choice.choice(joins), orderBy=Citizen.q.id))


def joined_with_none(choice):
    """Rows of the left table may be NULL as a whole."""
    join = RIGHTJOINOn(Citizen, Town, Citizen.q.town == Town.q.id)
    return listed(Citizen.select(join=join), ordered=False)


def aliased(choice):
    other = Alias(Citizen, "other")
    made = other.select(other.q.age > 2, orderBy=other.q.id)
    return Answer(str(made), [values(one) for one in made], cls=Citizen)


def through(choice):
    if choice.random() < 0.5:
        return listed(Citizen.select(Citizen.q.age > 2).throughTo.town, ordered=False)
    return listed(Town.select(Town.q.size > 1).throughTo.citizens_query, ordered=False)


_JOINS = (
    (Town, "citizens", Citizen, "town_id = {} ORDER BY id", ""),
    (Town, "citizens_query", Citizen, "town_id = {}", ""),
    (Town, "mayor", Mayor, "town_id = {}", ""),
    (Citizen, "labels", Label, "id = label_id AND citizen_id = {}", ", citizen_label"),
    (Citizen, "labels_query", Label, "id = label_id AND citizen_id = {}", ", citizen_label"),
    (Citizen, "friends", Citizen, "id = friend_id AND of_id = {}", ", friendship"),
    (Label, "citizens", Citizen, "id = citizen_id AND label_id = {}", ", citizen_label"),
    (Citizen, "town", Town, "id = (SELECT town_id FROM citizen WHERE id = {})", ""),
)


def of_another(choice):
    """What a row's joins and foreign keys give."""
    owner, name, cls, where, more_tables = choice.choice(_JOINS)
    id = choice.choice(IDS)
    query = table_query(cls, where.format(id), more_tables)
    try:
        found = getattr(owner.get(id), name)
    except SQLObjectNotFound:
        return one_row(owner, id)
    if found is None or isinstance(found, SQLObject):
        found = [] if found is None else [found]
    return Answer(query, [values(one) for one in found], "ORDER" in query, cls)


def inherited(choice):
    found = list(Beast.select(orderBy="id"))
    got = [(one.id, one.name, getattr(one, "tricks", None)) for one in found]
    return Answer(
        "SELECT beast.id, beast.name, hound.tricks FROM beast "
        "LEFT JOIN hound ON hound.id = beast.id ORDER BY beast.id",
        got,
    )


def inherited_child(choice):
    id = choice.choice(IDS)
    query = (
        "SELECT beast.name, hound.tricks FROM beast JOIN hound ON hound.id = beast.id "
        f"WHERE beast.id = {id}"
    )
    try:
        hound = Hound.get(id)
    except SQLObjectNotFound:
        return Answer(query, [])
    return Answer(query, [(hound.name, hound.tricks)])


SHAPES = (
    get, get, get, get_many, get_text, get_uuid, expired, select, select, whole_table, whole_table,
    whole_table_of_text, sliced, one_of, broken_off, by_value, by_alternate_id, aggregate, grouped,
    raw, joined, joined_with_none, aliased, through, of_another, of_another, inherited,
    inherited_child,
)  # fmt: skip
# Most of these can be answered by kept rows alone.
FIRST_SHAPES = (*SHAPES, *[get, get, get, select, whole_table] * (len(SHAPES) // 2))

FAILURES = {
    "sqlite": ("SELECT abs(-9223372036854775807 - 1)", "SELECT no_such FROM town", "SELEC 1"),
    "postgres": (
        "SELECT 1/0", "SELECT no_such FROM town", "SELEC 1",
        # As a statement timeout does.
        "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(5)",
    ),
    "mysql": (
        "SELECT (SELECT id FROM town UNION SELECT 99)", "SELECT no_such FROM town", "SELEC 1",
        "SELECT sleep(5) FROM (SELECT 1) AS one WHERE no_such = 1",
    ),
}  # fmt: skip


def fail(choice):
    """Send a query that fails, by itself or as a list's."""
    connection = sqlhub.threadConnection
    if choice.random() < 0.5:
        list(Citizen.select(choice.choice(["no_such = 1", "id = (SELECT", "id = 1 ORDER BY"])))
    connection.queryAll(choice.choice(FAILURES[str(connection.dbName)]))
    raise AssertionError("no query failed")
