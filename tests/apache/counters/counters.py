"""A small application in two modes: the recipe as published on stock SQLObject, and the bundle.

The recipe's mode imports nothing of app.transactions.
"""

import os
import random
import threading

import web
from sqlobject import IntCol, SQLObject, connectionForURI, sqlhub

from app.lab.recipe import recipe

web.config.debug = False


class Counter(SQLObject):
    value = IntCol(default=0)


class Value:
    def GET(self, number):
        return answer(Counter.get(int(number)).value)

    def POST(self, number):
        Counter.get(int(number)).value = int(web.data())
        return answer("")


class Increment:
    def POST(self, number):
        counter = Counter.get(int(number))
        counter.value = counter.value + 1
        return answer(counter.value)


class Crash:
    def POST(self):
        Counter.get(1).value = -1
        Counter.get(2).value = -1
        raise ZeroDivisionError("after half of the work")


class Stream:
    def GET(self):
        yield "first "
        yield str(Counter.get(1).value)


class Snapshot:
    """Reads twice; a test changes the row between the two."""

    between = staticmethod(lambda: None)

    def GET(self):
        first = Counter.selectBy(id=1)[0].value
        self.between()
        counter = Counter.get(1)
        counter.expire()
        return f"{first} {counter.value}"


class Move:
    """A writing transaction of one or two rows, by SQLObject or in SQL; one in four fails."""

    def POST(self):
        ids = random.sample(range(1, 9), random.choice((1, 2)))
        for number in ids:
            if random.random() < 0.5:
                Counter.get(number).value += 1
            else:
                sqlhub.threadConnection.query(
                    f"UPDATE counter SET value = value + 1 WHERE id = {number}"
                )
        if random.random() < 0.25:
            raise web.HTTPError("500 Aborted")
        return answer("")


class Compare:
    """Reads 50 times in both ways; answers how many reads by SQLObject differ from a SELECT."""

    def GET(self):
        # With all rows kept, lists without an earlier query are read without a transaction.
        lists_first = [*Counter.select()] if random.random() < 0.5 else []
        differences = 0
        for counter in lists_first:
            differences += counter.value != self.selected(counter.id)
        for number in random.choices(range(1, 9), k=25):
            differences += Counter.get(number).value != self.selected(number)
        lists = [*Counter.select(), *Counter.select(), *(lists_first or Counter.select())]
        for counter in lists[len(lists_first) :]:
            differences += counter.value != self.selected(counter.id)
        differences += Counter.get(1).value != self.selected(1)
        return answer(differences)

    def selected(self, number):
        query = f"SELECT value FROM counter WHERE id = {number}"
        return sqlhub.threadConnection.queryOne(query)[0]


class Hits:
    def GET(self):
        from app.transactions import statistics

        return answer(statistics().hits)


class Empty:
    def GET(self):
        return answer("")


def answer(text):
    """Add to each answer which process and thread gave it."""
    web.header("X-Process", str(os.getpid()))
    web.header("X-Thread", str(threading.get_ident()))
    return str(text)


def bundle(uri):
    """As the example application has it, with the default of SITE_CACHE_ROWS."""
    from app.transactions import transaction_per_request

    return transaction_per_request(uri, cache_rows=10_000)


def bundle_on(name):
    """The bundle on the engine `name` of faulty.py in place of its own."""

    def mode(uri):
        import faulty

        from app.transactions import engines

        engines.class_for = lambda _: getattr(faulty, name)
        return bundle(uri)

    return mode


MODES = {
    "recipe": lambda uri: recipe(f"{uri}?timeout=20"),
    "bundle": bundle,
    "early token": bundle_on("EarlyToken"),
    "early token on PostgreSQL": bundle_on("EarlyPostgresToken"),
    "unchecked": bundle_on("Unchecked"),
}


def make_table(database):
    """Create the eight counters in the SQLite file `database`, unless they exist."""
    con = connectionForURI(f"sqlite://{database}?timeout=20")
    if not Counter.tableExists(connection=con):
        Counter.createTable(connection=con)
        for _ in range(8):
            Counter(connection=con)


def make_app(mode, uri):
    """Return the application in `mode` on the database at `uri`, which has its table."""
    urls = ("/value/(.*)", Value, "/increment/(.*)", Increment, "/crash", Crash)
    urls += ("/move", Move, "/compare", Compare, "/hits", Hits)
    urls += ("/stream", Stream, "/snapshot", Snapshot, "/empty", Empty)
    app = web.application(urls)
    app.internalerror = web.webapi._InternalError
    app.add_processor(MODES[mode](uri))
    return app
