"""A site whose rows others change: by plain statements, and by requests on another thread."""

from sqlobject import sqlhub

from tests.contract.site import Site, in_threads
from tests.contract.town import (
    IDS,
    LETTERS,
    MODELS,
    PLAIN,
    Beast,
    Citizen,
    Hound,
    Label,
    Mayor,
    Town,
    decoded,
    table_query,
    uuid_of,
)
from tests.servers import session

NEXT_VERSION = "UPDATE version SET number = number + 1"
UUID_TYPES = {"postgres": "UUID"}


class World(Site):
    """A site, and others who commit; `versions` has the rows of PLAIN as of each commit."""

    def __init__(self, server, uri, choice, **options):
        super().__init__(server, uri, MODELS, **options)
        self.choice = choice
        self.others = session(server, self.database)
        self.versions = []
        uuid = UUID_TYPES.get(str(self.connection.dbName), "VARCHAR(40)")
        for query in (
            "CREATE TABLE friendship (of_id INT NOT NULL, friend_id INT NOT NULL)",
            "CREATE TABLE term (id VARCHAR(20) PRIMARY KEY, meaning VARCHAR(30))",
            f"CREATE TABLE ticket (id {uuid} PRIMARY KEY, title VARCHAR(30))",
            "CREATE TABLE version (number INT NOT NULL)",
            "INSERT INTO version VALUES (-1)",
        ):
            self.execute(query)
        assert self.request(self._fill).status == "200 OK"
        self.commit([])

    def _fill(self):
        for number, letter in enumerate(LETTERS):
            Town(name=letter, size=number if number % 3 else None)
        for number in range(10):
            Citizen(name="ab;%c"[: number % 5] + "x", age=number % 4 or None, town=number % 6 + 1)
            (Hound if number % 2 else Beast)(name=f"beast {number}")
            Label(text=f"label {number}")
        for number in range(1, 6):
            Mayor(name=f"mayor {number}", town=number)
            Citizen.get(number).addLabel(Label.get(number + 1))
            Citizen.get(number).addFriend(Citizen.get(number + 2))
        connection = sqlhub.threadConnection
        for number, letter in zip(IDS, LETTERS, strict=False):
            connection.query(f"INSERT INTO term VALUES ('{letter}', 'means {letter}')")
            connection.query(f"INSERT INTO ticket VALUES ('{uuid_of(number)}', '{letter}')")

    def commit(self, statements):
        """Commit `statements` as another process does."""
        cursor = self.others.cursor()
        if self.connection.dbName == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        for statement in [*statements, NEXT_VERSION]:
            cursor.execute(statement)
        self.others.commit()
        self.look()

    def look(self):
        """Note what is committed now, after each commit."""
        cursor = self.others.cursor()
        rows = {}
        for cls in PLAIN:
            cursor.execute(table_query(cls, "1 = 1"))
            rows[cls] = {row[0]: decoded(cls, row) for row in cursor.fetchall()}
        self.others.commit()
        self.versions.append(rows)

    def change(self):
        """Have another process, or another thread of this one, commit something."""
        if self.choice.random() < 0.7:
            return self.commit([self.statement() for _ in range(self.choice.randrange(2, 6))])
        (answer,) = in_threads(lambda: self.request(lambda: write_once(self.choice)))
        assert answer.status == "200 OK", answer
        return self.look()

    def statement(self):
        choice = self.choice
        id, number, letter = (
            choice.choice(IDS),
            choice.choice(["NULL", 1, 2, 3, 5]),
            choice.choice(LETTERS),
        )
        return choice.choice((
            f"UPDATE town SET size = {number} WHERE id <= {id}",
            f"UPDATE citizen SET age = {number} WHERE id <= {id}",
            f"UPDATE citizen SET height = {number}, name = '{letter}{letter}' WHERE id >= {id}",
            f"UPDATE citizen SET born = '200{id % 10}-02-03' WHERE id = {id}",
            f"UPDATE citizen SET town_id = {id % 6 + 1} WHERE id = {id}",
            f"INSERT INTO citizen (name, age, town_id) VALUES ('{letter}', {number}, NULL)",
            f"DELETE FROM citizen WHERE id = {id}",
            f"DELETE FROM citizen_label WHERE citizen_id = {id}",
            f"INSERT INTO citizen_label (citizen_id, label_id) VALUES ({id}, {id % 10 + 1})",
            f"INSERT INTO friendship VALUES ({id}, {id % 10 + 1})",
            f"UPDATE mayor SET name = '{letter}' WHERE town_id = {id}",
            f"UPDATE hound SET tricks = tricks + 1 WHERE id = {id}",
            f"UPDATE beast SET name = '{letter}' WHERE id = {id}",
            f"UPDATE term SET meaning = '{number}' WHERE id = '{letter}'",
            f"UPDATE ticket SET title = '{letter}' WHERE id = '{uuid_of(id)}'",
        ))  # fmt: skip


def write(choice):
    """Change something by SQLObject, in a writing request."""
    for citizen in Citizen.select(Citizen.q.id == choice.choice(IDS)):
        citizen.set(age=choice.choice([None, 1, 4]), name=choice.choice(LETTERS))
    if choice.random() < 0.3:
        Citizen(name="new", town=choice.choice(range(1, 7)))
    if choice.random() < 0.3:
        Town.get(choice.choice(range(1, 7))).size = choice.randrange(9)


def write_once(choice):
    """Be a whole writing request."""
    write(choice)
    sqlhub.threadConnection.query(NEXT_VERSION)
