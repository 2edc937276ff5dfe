"""The application that scripts/benchmark measures: the same handlers in five modes."""

import os
import random

import web
from sqlobject import IntCol, SQLObject, UnicodeCol, connectionForURI, sqlhub

web.config.debug = False

ROWS = 100
# The default of SITE_CACHE_ROWS.
CACHE_ROWS = 10_000


class Item(SQLObject):
    class sqlmeta:
        # Looked at when the class is made.
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


class Twenty:
    def GET(self):
        return " ".join(Item.get(number).name for number in range(1, 21))


class List:
    def GET(self):
        return " ".join(item.name for item in Item.select())


class Write:
    def POST(self):
        item = Item.get(random.randint(1, ROWS))
        item.number = item.number + 1
        return "written"


def make_database(uri):
    """Make the table with 100 rows in the empty database at `uri`."""
    con = connectionForURI(uri)
    Item.createTable(connection=con)
    for number in range(1, ROWS + 1):
        Item(name=f"item {number}", note="x" * 60, connection=con)


def make_app(mode, uri):
    """Return the application on the database at `uri`.

    `mode`: bare (no processor, for the page without database), default (SQLObject's own
    caching), nocache (cacheValues = False), recipe, bundle, uncached (the bundle without its
    cache across requests). Only the last two import app.transactions: the others are to have
    SQLObject as it comes.
    """
    app = web.application(
        ("/empty", Empty, "/row", Row, "/twenty", Twenty, "/list", List, "/write", Write)
    )
    if mode == "recipe":
        from app.lab.recipe import recipe

        app.add_processor(recipe(uri))
    elif mode in ("bundle", "uncached"):
        from app.transactions import transaction_per_request

        cache_rows = CACHE_ROWS if mode == "bundle" else 0
        app.add_processor(transaction_per_request(uri, cache_rows=cache_rows))
    else:
        sqlhub.processConnection = connectionForURI(uri)
    return app
