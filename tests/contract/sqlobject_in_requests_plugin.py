"""A pytest plugin under which each test of SQLObject's own suite is one writing request.

After the commit its reads, and lists of all rows of its classes, are repeated: by SQLObject's own
connection, and in reading requests with kept rows cold and warm. They must be equal. Failures are
written to `differences.json` in the current folder: {name of the test: error}.
"""

import inspect
import json
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import web
from sqlobject import SQLObject, connectionForURI, dberrors, sqlhub

from app.transactions import statistics, transaction_per_request
from tests.contract.site import in_threads
from tests.contract.sqlobject_reads import Reads, failed, result_of

# How many of a test's reads are also done alone, each in one request.
ALONE = 10
_SETS_UP = ("setupClass", "setupCyclicClasses")


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Change dbtest.py, after SQLObject's conftest.py has stored the options."""
    from sqlobject.tests import dbtest

    reads = Reads()
    requests = _Requests(config.option.Database)
    setup = dbtest.setupClass, dbtest.setupCyclicClasses
    dbtest.getConnection = _connection_of_request(dbtest.getConnection)
    for name, function in zip(_SETS_UP, setup, strict=True):
        setattr(dbtest, name, _set_up(function, reads, requests.connection.dbName == "mysql"))
    config.pluginmanager.register(_EachTest(requests, reads))


def _connection_of_request(stock):
    """The suite's `getConnection`: the request's, where it asks for nothing special."""

    def get_connection(**options):
        return stock(**options) if options else sqlhub.getConnection()

    return get_connection


def _set_up(stock, reads, apart):
    """The suite's `setupClass`. `apart`: outside of the request, because DDL commits."""

    def set_up(*classes, **options):
        given = classes[0] if isinstance(classes[0], (list, tuple)) else classes
        reads.classes += given
        if apart:
            in_threads(lambda: stock(*classes, **options))
        else:
            stock(*classes, **options)
        _use_hub(given)
        return classes[0]

    return set_up


def _use_hub(classes):
    """Have the classes use the connection of the thread, as they do without the suite's setup."""
    for cls in classes:
        # The class of a request's transaction is a subclass.
        if isinstance(_own_connection(cls), type(sqlhub.processConnection)):
            cls._connection = sqlhub


def _own_connection(cls):
    return inspect.getattr_static(cls, "_connection", None)


class _Requests:
    """A site on one database, and SQLObject's own connection to it."""

    def __init__(self, uri):
        processor = transaction_per_request(uri, attempts=1, timeout=1)
        processor()
        self.connection = sqlhub.processConnection
        self._stock = connectionForURI(uri)
        self._app = web.application(("/", _Route), autoreload=False)
        self._app.add_processor(self._remember)
        self._app.add_processor(processor)
        self._app.internalerror = web.webapi._InternalError

    def _remember(self, handler):
        """Remember the error that web.py turns into an answer."""
        try:
            return handler()
        except web.HTTPError as error:
            self._error = error.__context__
            raise

    def request(self, function, method):
        """Call `function` in a request; raise what it raised, or why it is not committed."""
        self._error = None
        answer = self._app.request("/", method=method, env={"function": function})
        if answer.status != "200 OK":
            raise self._error or AssertionError(f"the request was answered {answer.status}")

    def read(self, reads):
        """The results of `reads` in one reading request."""
        results = []

        def handler():
            # It may be run again.
            results[:] = map(result_of, reads)

        self.request(handler, "GET")
        return results

    def stock_reads(self, reads):
        """The results of `reads` by SQLObject's own connection."""
        self._stock.cache.clear()
        sqlhub.processConnection = self._stock
        try:
            return [result_of(read) for read in reads]
        finally:
            sqlhub.processConnection = self.connection


class _Route:
    def GET(self):
        web.ctx.env["function"]()
        return ""

    POST = GET


class _EachTest:
    """Runs the tests; see the module."""

    def __init__(self, requests, reads):
        self._requests = requests
        self._reads = reads
        self._differences = {}
        self._compared = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        test = pyfuncitem.obj

        def in_request(**arguments):
            self._run(lambda: test(**arguments), pyfuncitem.module)

        pyfuncitem.obj = in_request
        return (yield)

    def _run(self, test, module):
        raised = []

        def handler():
            try:
                test()
            except BaseException as error:
                raised.append(error)
                raise

        self._reads.classes = [one for one in vars(module).values() if _is_model(one)]
        _use_hub(self._reads.classes)
        with self._reads.recorded() as reads:
            try:
                self._requests.request(handler, "POST")
            except BaseException as error:
                raise (raised or [error])[0] from None
            finally:
                sqlhub.processConnection = self._requests.connection
        _use_hub(self._reads.classes)
        reads |= self._lists()
        self._compare(list(reads.values()))

    def _lists(self):
        """Reads of all rows of the classes that have a table, as Reads.recorded."""
        lists = {}
        mine = [cls for cls in self._reads.classes if _own_connection(cls) is sqlhub]
        for cls in mine:
            with suppress(dberrors.Error):
                ids = [one.id for one in cls.select()]
                lists[cls, "all"] = lambda cls=cls: list(cls.select())
                lists |= {(cls, id): partial(cls.get, id) for id in ids}
        return lists

    def _compare(self, reads):
        expected = self._requests.stock_reads(reads)
        both = list(zip(reads, expected, strict=True))
        # A query that fails may end its transaction.
        failing = [pair for pair in both if failed(pair[1])]
        good = [pair for pair in both if not failed(pair[1])]
        for time in ("cold", "warm", "warm again"):
            assert self._requests.read([read for read, _ in good]) == [
                result for _, result in good
            ], time
        for read, result in [*failing, *good[:ALONE]]:
            assert self._requests.read([read]) == [result], "alone"
        self._compared += len(reads)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            error = getattr(report.longrepr, "reprcrash", None)
            self._differences[report.nodeid] = error.message if error else str(report.longrepr)

    def pytest_sessionfinish(self):
        found = {
            "differences": self._differences,
            "reads": self._compared,
            "hits": statistics().hits,
        }
        Path("differences.json").write_text(json.dumps(found))


def _is_model(value):
    return isinstance(value, type) and issubclass(value, SQLObject) and value is not SQLObject
