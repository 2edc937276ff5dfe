"""A visitor with a cookie, on a site with web.py's sessions in one of all stores."""

import http.cookies
import shelve
import time

import web
from sqlobject import FloatCol, PickleCol, SQLObject, StringCol, sqlhub
from web.session import DBStore, DiskStore, MemoryStore, Session, ShelfStore, Store

from tests.contract.site import Entry, Site
from tests.servers import PASSWORD

COOKIE = "webpy_session_id"


class Visit(SQLObject):
    """A row for each session, as users write it."""

    sid = StringCol(length=40, unique=True)
    used = FloatCol(default=0.0)
    data = PickleCol(default=None)


class ModelStore(Store):
    """A store of SQLObject classes, as users write it."""

    def __contains__(self, key):
        return Visit.selectBy(sid=key).count() > 0

    def __getitem__(self, key):
        for visit in Visit.selectBy(sid=key):
            return visit.data
        raise KeyError(key)

    def __setitem__(self, key, value):
        for visit in Visit.selectBy(sid=key):
            visit.set(data=value, used=time.time())
            return
        Visit(sid=key, data=value, used=time.time())

    def __delitem__(self, key):
        Visit.deleteBy(sid=key)

    def cleanup(self, timeout):
        Visit.deleteMany(Visit.q.used < time.time() - timeout)


class TouchingStore(ModelStore):
    """One that notes the time of each access, as DBStore does."""

    def __getitem__(self, key):
        for visit in Visit.selectBy(sid=key):
            visit.used = time.time()
        return super().__getitem__(key)


class SiteWithSessions(Site):
    """A Site whose application has `session`, added "before" the processor or "after" it."""

    def __init__(self, server, uri, folder, store, place, **options):
        """`folder`: an empty one, a Path; `store`: a name of STORES."""
        self.folder = folder
        self.store_name = store
        self.place = place
        super().__init__(server, uri, models=(Entry, Visit), **options)

    def add_processors(self):
        if self.place == "after":
            self.app.add_processor(self.processor)
        self.store = STORES[self.store_name](self)
        self.session = Session(self.app, self.store, initializer={"count": 0, "cart": []})
        if self.place == "before":
            self.app.add_processor(self.processor)

    def same_database(self):
        """web.py's own connection to the database that the models have."""
        if self.connection.dbName == "sqlite":
            return web.database(dbn="sqlite", db=str(self.server.folder / self.database))
        dbn = {"postgres": "postgres", "mysql": "mysql"}[self.connection.dbName]
        where = {"host": "127.0.0.1", "port": self.server.port, "user": "site", "pw": PASSWORD}
        return web.database(dbn=dbn, db=self.database, **where)


class Visitor:
    """Sends requests with the cookie that the answers have set."""

    def __init__(self, site):
        self.site = site
        self.cookie = None

    def request(self, handler, method="GET"):
        env = {"HTTP_COOKIE": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        response = self.site.request(handler, method, env)
        for name, value in response.header_items:
            if name == "Set-Cookie":
                morsel = http.cookies.SimpleCookie(value)[COOKIE]
                self.cookie = None if "1900" < morsel["expires"][12:16] < "2000" else morsel.value
        return response

    def get(self, name):
        """What the session of the visitor has by `name`, read in its own request."""
        found = []
        self.request(lambda: found.append(self.site.session.get(name)))
        return found[0]


def _db_store(database):
    database.query(
        "CREATE TABLE visits (session_id CHAR(128) UNIQUE NOT NULL, "
        "atime TIMESTAMP NOT NULL DEFAULT current_timestamp, data TEXT)"
    )
    return DBStore(database, "visits")


STORES = {
    "disk": lambda site: DiskStore(str(site.folder / "disk")),
    "shelf": lambda site: ShelfStore(shelve.open(str(site.folder / "shelf"))),  # noqa: SIM115
    "memory": lambda site: MemoryStore(),
    "db": lambda site: _db_store(web.database(dbn="sqlite", db=str(site.folder / "sessions.db"))),
    "same-db": lambda site: _db_store(site.same_database()),
    "models": lambda site: ModelStore(),
    "touching-models": lambda site: TouchingStore(),
}
OF_MODELS = ("models", "touching-models")


def visits():
    """How many sessions a store of models has, outside of requests."""
    return sqlhub.processConnection.queryOne("SELECT count(*) FROM visit")[0]
