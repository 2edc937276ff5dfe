"""The lab's four modes: how each one treats SQLObject's instances and transactions.

default  SQLObject's default caching, stock connections
nocache  the same with cacheValues = False
recipe   the published load hook on stock connections
bundle   this site's transaction for each request

Only the last one imports app.transactions, because the others need SQLObject as it comes.
"""

from contextlib import nullcontext
from functools import cache

from sqlobject import SQLObject, StringCol, connectionForURI, dberrors, sqlhub

from app.lab.recipe import recipe
from app.web.application import Application

MODES = ("default", "nocache", "recipe", "bundle")


@cache
def key_class(mode):
    """Return the SQLObject class of a mode's keys; each mode has its own table."""

    class Key(SQLObject):
        class sqlmeta:
            table = f"lab_{mode}"
            registry = f"lab_{mode}"
            cacheValues = mode != "nocache"

        value = StringCol(notNone=True)

    return Key


def application(mode, uri, bundle=None):
    """Return the lab's application in one of the MODES on the database `uri`; creates its table.

    `bundle`: the processor of the mode "bundle", for the same database. Sets
    `sqlhub.processConnection`, so a process can serve one mode only.
    Raises the errors of the driver and of sqlobject.dberrors.
    """
    # Imported here, because it imports this module.
    from app.lab.sessions import processor

    urls = (
        f"/lab/({mode})/keys", "app.lab.handlers.Keys",
        f"/lab/({mode})/transactions", "app.lab.handlers.Transactions",
        f"/lab/({mode})/session", "app.lab.handlers.Sessions",
        f"/lab/({mode})/streams", "app.lab.handlers.Streams",
        # It holds no transaction, so what it asks for is apart from the request.
        f"/lab/({mode})/apart", _marked(mode, "Apart", "no_transaction", "GET", "POST"),
        # Begun as a reading request, it is run twice.
        f"/lab/({mode})/uploads/([0-9]+)", _marked(mode, "Uploads", "reading", "POST"),
        f"/lab/({mode})/reset", "app.lab.handlers.Reset",
    )  # fmt: skip
    site = Application(urls, for_programs="/")
    if mode in ("default", "nocache"):
        sqlhub.processConnection = connectionForURI(uri)
    else:
        load_sqlo = bundle if mode == "bundle" else recipe(uri)
        load_sqlo()
        site.add_processor(load_sqlo)
    site.add_processor(processor(mode))
    _make_table(key_class(mode))
    return site


def runs(mode):
    """Return in which run of its handler this request is; a stock mode has one only."""
    if mode != "bundle":
        return 1
    from app import transactions

    return transactions.runs()


def doom(mode):
    """Have this request rolled back, in the mode "bundle", which alone can do that."""
    if mode == "bundle":
        from app import transactions

        transactions.doom()


def savepoint(mode):
    """Return a context manager that undoes its block where it raises; a stock mode has none."""
    if mode != "bundle":
        return nullcontext()
    from app import transactions

    return transactions.savepoint()


def on_commit(mode, function):
    """Have `function` called after the commit; a stock mode cannot do that, and calls it now."""
    if mode != "bundle":
        function()
        return
    from app import transactions

    transactions.on_commit(function)


def streamed(mode, chunks):
    """Return an answer of `chunks`, which only the mode "bundle" makes while it is sent.

    A stock mode makes them at once: the recipe's hook has ended before the first one is asked for.
    """
    return chunks if mode == "bundle" else "".join(chunks)


def in_own_transaction(mode, function, writing):
    """Return what `function` returns, in a transaction beside that of the request, if any."""
    if mode != "bundle":
        return function()
    from app import transactions

    return transactions.in_transaction(function, writing)


def _marked(mode, name, mark, *methods):
    """Return the class `name` of the handlers; in "bundle" its `methods` have a mark.

    `mark`: the name of a decorator of app.transactions.
    """
    from app.lab import handlers

    handler = getattr(handlers, name)
    if mode != "bundle":
        return handler
    from app import transactions

    decorate = getattr(transactions, mark)
    marked = {method: decorate(getattr(handler, method)) for method in methods}
    return type(name, (handler,), marked)


def _make_table(key):
    try:
        key.createTable(ifNotExists=True)
    except dberrors.Error:
        # Another process of the group may have created it meanwhile.
        if not key.tableExists():
            raise
