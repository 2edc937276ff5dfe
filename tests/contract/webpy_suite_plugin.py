"""A pytest plugin that has web.py's own test suite use the processor in each application.

Without --database it changes only the address of the servers that the suite starts: a free port of
127.0.0.1. With it the end of the report has a line "acknowledged N, there M": how many answers
below 500 the applications have given, and how many rows their requests have left.
"""

import uuid

import web

from app.transactions import in_transaction, transaction_per_request
from tests.contract.site import Entry

_start_server = web.httpserver.runsimple
_acknowledged = []


def pytest_addoption(parser):
    """Say where the database is, and what the processors do."""
    parser.addoption("--database", help="the URI of an empty database for the processors")
    parser.addoption("--place", default="outside", help="outside or inside of the suite's own")
    parser.addoption("--use", default="nothing", help="what is done in a request: read or write")


def pytest_configure(config):
    """Change web.py as the options say."""
    web.httpserver.runsimple = lambda func, address=None: _start_server(func, ("127.0.0.1", 0))
    uri = config.option.database
    if uri:
        # It is SQLObject's outside of requests from now on.
        transaction_per_request(uri)
        Entry.createTable()
        _add_to_each_application(uri, config.option.place, _USES[config.option.use])


def pytest_terminal_summary(terminalreporter, config):
    """Say how many requests were acknowledged, and how many rows are there."""
    if config.option.database:
        of_requests = Entry.select(Entry.q.number == 1)
        there = in_transaction(of_requests.count, writing=False)
        terminalreporter.write_line(f"acknowledged {len(_acknowledged)}, there {there}")


def _add_to_each_application(uri, place, use):
    init = web.application.__init__

    def init_with_processors(app, *args, **kw):
        init(app, *args, **kw)
        app.processors += [_note, transaction_per_request(uri), use]
        if place == "inside":
            app.add_processor = lambda processor: app.processors.insert(-3, processor)

    web.application.__init__ = init_with_processors


def _note(handler):
    try:
        return handler()
    finally:
        if _depth() == 1 and not web.ctx.status.startswith("5"):
            _acknowledged.append(web.ctx.path)


def _depth():
    """1 in an application, 2 in a sub-application of it."""
    return len(web.ctx.app_stack)


def _read(handler):
    count = Entry.select().count()
    try:
        return handler()
    finally:
        assert Entry.select().count() == count


def _write(handler):
    """Write once the handler has run, so that a GET comes to nothing then and is run again."""
    try:
        return handler()
    finally:
        Entry(name=uuid.uuid4().hex, number=_depth())


_USES = {"nothing": lambda handler: handler(), "read": _read, "write": _write}
