"""An application whose requests show halves, hang, stream and fill the disk."""

import os
import resource
import time

import web
from sqlobject import IntCol, SQLObject, StringCol, sqlhub

from app.transactions import on_commit, transaction_per_request
from app.web.problems import unavailable

web.config.debug = False

# The rest of a row: it fills a disk soon.
FILLING = "x" * 2000


class Half(SQLObject):
    number = IntCol()
    filling = StringCol(default=FILLING)


def add(number):
    """Add two rows, so that one alone shows half of a request."""
    Half(number=int(number))
    Half(number=int(number))


def busy(seconds):
    """Work in Python, where an interruption is soon noticed."""
    ends = time.monotonic() + float(seconds)
    while time.monotonic() < ends:
        time.sleep(0.005)


class Pair:
    def POST(self, number):
        add(number)
        return "added"


class Read:
    def GET(self, number):
        return str(Half.selectBy(number=int(number)).count())


class Slow:
    """Adds its first row, then hangs for that many seconds."""

    def POST(self, number, seconds):
        Half(number=int(number))
        busy(seconds)
        Half(number=int(number))
        return "added"


class Statement:
    """Adds a pair and keeps the database busy for long."""

    def POST(self, number):
        add(number)
        sqlhub.threadConnection.queryAll(
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n "
            "WHERE i < 10000000000) SELECT count(*) FROM n"
        )


class Late:
    """Adds a pair, and hangs for that many seconds when it is committed."""

    def POST(self, number, seconds):
        add(number)
        on_commit(lambda: busy(seconds))
        return "added"


class Stream:
    """Sends what no buffer holds, within its transaction."""

    def GET(self):
        yield str(Half.select().count())
        for _ in range(100_000):
            yield FILLING


class Upload:
    def POST(self, number):
        size = len(web.data())
        add(number)
        return str(size)


class Files:
    """Leaves the process this number of free file descriptors, or with 0 all that it may have."""

    taken = []

    def GET(self, count):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        while self.taken:
            os.close(self.taken.pop())
        if int(count):
            last = max(map(int, os.listdir("/proc/self/fd")))
            # Every number up to the last one is taken then.
            while not self.taken or self.taken[-1] < last:
                self.taken.append(os.dup(0))
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.taken[-1] + 1 + int(count), most))
        return str(os.getpid())


class Process:
    def GET(self):
        return str(os.getpid())


def make_app(uri):
    """Return the application on the database `uri`, whose table exists."""
    urls = ("/pairs/(.*)", Pair, "/read/(.*)", Read, "/slow/(.*)/(.*)", Slow)
    urls += ("/statement/(.*)", Statement, "/late/(.*)/(.*)", Late, "/stream", Stream)
    urls += ("/upload/(.*)", Upload, "/process", Process, "/files/(.*)", Files)
    app = web.application(urls)
    app.internalerror = web.webapi._InternalError
    app.add_processor(
        transaction_per_request(
            uri,
            create=False,
            timeout=3,
            unavailable=unavailable,
            request_seconds=float(os.environ.get("REQUEST_SECONDS", 50)),
        )
    )
    return app
