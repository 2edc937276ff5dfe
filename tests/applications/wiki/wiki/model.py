"""The wiki's tables.  `python -m wiki.model` makes them."""

import datetime
import hashlib
from urllib.parse import unquote, urlparse

import web
from sqlobject import *

from wiki import config

web.config.debug = False


class Account(SQLObject):
    name = UnicodeCol(length=40, alternateID=True)
    password = StringCol(length=40)
    notices = IntCol(default=0)
    last_notice = UnicodeCol(default="")
    pages = RelatedJoin("Page")

    def check(self, password):
        return self.password == encrypt(password)


class Page(SQLObject):
    title = UnicodeCol(length=80, alternateID=True)
    text = UnicodeCol(default="")
    views = IntCol(default=0)
    changed = DateTimeCol(default=datetime.datetime.now)
    revisions = MultipleJoin("Revision", orderBy="number")
    attachments = MultipleJoin("Attachment", orderBy="name")
    accounts = RelatedJoin("Account")

    def revise(self, text, author, comment):
        number = len(self.revisions) + 1
        Revision(page=self, number=number, text=text, author=author, comment=comment)
        self.set(text=text, changed=datetime.datetime.now())
        return number


class Revision(SQLObject):
    page = ForeignKey("Page", cascade=True)
    number = IntCol()
    text = UnicodeCol()
    author = UnicodeCol(length=40)
    comment = UnicodeCol(length=200, default="")
    created = DateTimeCol(default=datetime.datetime.now)


class Attachment(SQLObject):
    page = ForeignKey("Page", cascade=True)
    name = UnicodeCol(length=100)
    mimetype = StringCol(length=80)
    content = BLOBCol(length=2**24)


def encrypt(password):
    return hashlib.sha1(("wiki" + password).encode("utf-8")).hexdigest()


def load_sqlo(handler=None):
    con = connectionForURI(config.database_uri)
    if "env" not in web.ctx:  # not using web.py
        sqlhub.processConnection = con
        return
    trans = con.transaction()
    sqlhub.threadConnection = trans
    try:
        return handler()
    except web.HTTPError:
        trans.commit(close=True)
        raise
    except:
        trans.rollback()
        trans.begin()
        raise
    finally:
        trans.commit(close=True)


def session_database():
    """web.py's own connection, for the sessions."""
    uri = urlparse(config.database_uri)
    if uri.scheme == "sqlite":
        return web.database(dbn="sqlite", db=uri.path)
    return web.database(
        dbn=uri.scheme,
        host=uri.hostname,
        port=uri.port,
        db=uri.path[1:],
        user=uri.username,
        pw=unquote(uri.password),
    )


def create_tables():
    for table in (Account, Page, Revision, Attachment):
        table.createTable(ifNotExists=True)
    session_database().query(
        "CREATE TABLE IF NOT EXISTS sessions (session_id CHAR(128) UNIQUE NOT NULL, "
        "atime TIMESTAMP NOT NULL DEFAULT current_timestamp, data TEXT)"
    )
    if not Page.select().count():
        front = Page(title="FrontPage")
        front.revise("Welcome to [[FrontPage]].", "wiki", "the first page")


if __name__ == "__main__":
    load_sqlo()
    create_tables()
