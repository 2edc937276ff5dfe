"""A web.py application with one route, on any engine: each request brings its handler along."""

import io

import web
from sqlobject import IntCol, SQLObject, StringCol, sqlhub

from app.transactions import transaction_per_request
from tests.threads import in_threads as in_threads

POSTGRES = ("postgres", "postgres-psycopg2")
SERVERS = (*POSTGRES, "mariadb")
ENGINES = ("sqlite", *SERVERS)
# Here nobody can ask what became of a COMMIT. test_postgres_outcome.py has the other driver.
NOT_ASKED = ("postgres-psycopg2", "mariadb")
# Engines with a snapshot token, which keep rows between reading requests.
KEEPING = ("sqlite", *POSTGRES)

_HANDLER = "tests.handler"


class Entry(SQLObject):
    """The one model of most tests; the same class serves every engine."""

    name = StringCol(alternateID=True, length=50)
    number = IntCol(default=0)


class Site:
    """The application on one database; see __init__ and its methods."""

    def __init__(self, server, uri, models=(Entry,), **options):
        """`server`: where the database is, as tests/servers.py has it; `uri`: the empty database;
        `models`: the classes whose tables it creates; `options`: transaction_per_request's."""
        self.server = server
        self.uri = uri
        self.database = database_of(uri)
        self.processor = transaction_per_request(uri, **options)
        self.processor()
        self.connection = sqlhub.processConnection
        for model in models:
            model.createTable(ifNotExists=True)
        del sqlhub.processConnection
        # With autoreload it looks at the files of all modules for each request.
        self.app = web.application(("/", _Route), autoreload=False)
        self.add_processors()
        self.app.internalerror = web.webapi._InternalError

    def add_processors(self):
        """Add the processors of `app`; a subclass may add more."""
        self.app.add_processor(self.processor)

    def request(self, handler, method="POST", env=(), **more):
        """Answer one request by `handler()`; returns what web.py's app.request does.

        Several threads may call it at the same time.
        """
        return self.app.request("/", method=method, env={**dict(env), _HANDLER: handler}, **more)

    def start(self, handler, method="POST", **environ):
        """Begin to answer as under a WSGI server; returns the answer's chunks, not yet read."""
        environ = {"REQUEST_METHOD": method, "PATH_INFO": "/", _HANDLER: handler, **environ}
        return self.app.wsgifunc()({"wsgi.input": io.BytesIO(), **environ}, lambda *_: None)

    def execute(self, query):
        """Run `query` in its own session, outside of the bundle, and commit.

        Returns its rows, a list of tuples.
        """
        return [tuple(row) for row in self.server.execute(query, self.database)]

    def names(self):
        """The names in the table of Entry, as others see them."""
        return [name for (name,) in self.execute("SELECT name FROM entry ORDER BY id")]


class _Route:
    def GET(self):
        return web.ctx.env[_HANDLER]()

    POST = GET


def database_of(uri):
    """The name by which a server of tests/servers.py knows the database at `uri`."""
    return uri.partition("?")[0].rpartition("/")[2]


def add(name="a", then=None):
    """A handler that adds an Entry; then it raises what `then()` returns, if given."""

    def handler():
        Entry(name=name)
        if then:
            raise then()
        return "added"

    return handler


def inside(site, handler, method="POST"):
    """Have `site` answer `handler` from within a handler, which gets its web.ctx back."""
    before = web.ctx.__dict__.copy()
    try:
        return site.request(handler, method)
    finally:
        web.ctx.__dict__.clear()
        web.ctx.__dict__.update(before)


def no_transaction():
    """Whether the calling thread is left without a transaction."""
    return not hasattr(sqlhub.threadingLocal, "connection")
