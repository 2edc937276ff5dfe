"""A small application whose invariants break where requests are not serializable or not whole."""

import time

import web
from sqlobject import IntCol, SQLObject, StringCol, dberrors, sqlhub

from app.transactions import connection_for, transaction_per_request

web.config.debug = False

ACCOUNTS = 8
FIRST_BALANCE = 100


class Account(SQLObject):
    balance = IntCol(default=FIRST_BALANCE)


class Tally(SQLObject):
    value = IntCol(default=0)


class Claim(SQLObject):
    subject = IntCol()
    claimant = StringCol(length=20)


class Half(SQLObject):
    number = IntCol()


class Transfer:
    """Moves what is sent, "FROM TO AMOUNT", unless it would leave less than nothing."""

    def POST(self):
        source, target, amount = map(int, web.data().split())
        source, target = Account.get(source), Account.get(target)
        if source.balance < amount:
            raise web.conflict()
        source.balance = source.balance - amount
        target.balance = target.balance + amount
        return "moved"


class Balances:
    def GET(self):
        return " ".join(str(account.balance) for account in Account.select())


class Increment:
    def POST(self):
        tally = Tally.get(1)
        tally.value = tally.value + 1
        return str(tally.value)


class Claims:
    """A subject goes to the first who claims it."""

    def POST(self, subject):
        if Claim.selectBy(subject=int(subject)).count():
            raise web.conflict()
        Claim(subject=int(subject), claimant=web.data().decode())
        return "yours"


class Pair:
    """Adds two rows, so that one alone shows half of a request."""

    def POST(self, number):
        Half(number=int(number))
        Half(number=int(number))
        return "added"


class Empty:
    def GET(self):
        return ""


def make_tables(uri):
    """Create the tables with their first rows; all processes try at once, and one succeeds."""
    sqlhub.processConnection = connection_for(uri)
    for attempt in range(100):
        try:
            return sqlhub.doInTransaction(_make_missing)
        except dberrors.Error:
            if attempt == 99:
                raise
            time.sleep(0.1)


def _make_missing():
    # The last table shows that all exist, on an engine whose CREATE TABLE commits at once.
    if Half.tableExists():
        return
    for model in (Account, Tally, Claim):
        model.createTable()
    for _ in range(ACCOUNTS):
        Account()
    Tally()
    Half.createTable()


def make_app(uri):
    """Return the application on the database `uri`."""
    make_tables(uri)
    urls = ("/transfer", Transfer, "/balances", Balances, "/increment", Increment)
    urls += ("/claims/(.*)", Claims, "/pairs/(.*)", Pair, "/empty", Empty)
    app = web.application(urls)
    app.internalerror = web.webapi._InternalError
    app.add_processor(transaction_per_request(uri, cache_rows=10_000))
    return app
