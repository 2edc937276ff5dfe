"""The application that scripts/benchmark measures: the same handlers in five modes."""

import os
import random

import web
from sqlobject import IntCol, SQLObject, UnicodeCol, connectionForURI, sqlhub

web.config.debug = False

ROWS = int(os.environ.get("BENCHMARK_ROWS", 100))
# The default is that of SITE_CACHE_ROWS.
CACHE_ROWS = int(os.environ.get("BENCHMARK_KEPT_ROWS", 10_000))
ROWS_OF_AN_INSERT = 1000


class Item(SQLObject):
    class sqlmeta:
        # SQLObject reads it when the class is created.
        cacheValues = os.environ.get("BENCHMARK_MODE") != "nocache"

    name = UnicodeCol(length=50)
    note = UnicodeCol(length=100)
    number = IntCol(default=0)


class Empty:
    def GET(self):
        return "no database"


class Row:
    def GET(self):
        return Item.get(7).name


class Any:
    def GET(self):
        return Item.get(random.randint(1, ROWS)).name


class Twenty:
    def GET(self):
        return " ".join(Item.get(number).name for number in range(1, 21))


class List:
    def GET(self):
        return " ".join(item.name for item in Item.select())


class Write:
    """Answers with the number of the handler's run: its retries and 1."""

    # A stock mode has one only.
    runs = staticmethod(lambda: 1)

    def POST(self):
        item = Item.get(random.randint(1, ROWS))
        item.number = item.number + 1
        return str(self.runs())


class Total:
    """How often rows were written, all together."""

    def GET(self):
        return str(Item.select().sum("number"))


URLS = (
    *("/total", Total),
    *("/empty", Empty, "/row", Row, "/any", Any),
    *("/twenty", Twenty, "/list", List, "/write", Write),
)


def make_database(uri):
    """Create the table with its rows in the empty database at `uri`."""
    con = connectionForURI(uri)
    Item.createTable(connection=con)
    for first in range(1, ROWS + 1, ROWS_OF_AN_INSERT):
        numbers = range(first, min(first + ROWS_OF_AN_INSERT, ROWS + 1))
        values = ", ".join(f"('item {number}', '{'x' * 60}', 0)" for number in numbers)
        con.query(f"INSERT INTO item (name, note, number) VALUES {values}")


def make_app(mode, uri):
    """Return the application on the database at `uri`.

    `mode`: bare (no processor, for the page without database), default (SQLObject's own
    caching), nocache (cacheValues = False), recipe, bundle, uncached (the bundle without its
    cache across requests). Only the last two import app.transactions: the others must have
    SQLObject as it comes.
    """
    app = web.application(URLS)
    if mode == "recipe":
        from app.lab.recipe import recipe

        app.add_processor(recipe(uri))
    elif mode in ("bundle", "uncached"):
        from app.transactions import runs, transaction_per_request

        Write.runs = staticmethod(runs)
        cache_rows = CACHE_ROWS if mode == "bundle" else 0
        app.add_processor(transaction_per_request(uri, cache_rows=cache_rows))
    else:
        sqlhub.processConnection = connectionForURI(uri)
    return app
