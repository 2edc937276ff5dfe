"""The page's edits, each undone by itself in an edited application, and requests that show it."""

import contextlib
import sqlite3
from typing import NamedTuple

from tests.applications.stock import SHOP, WIKI


class Forgotten(NamedTuple):
    """One edit that is undone.

    changes: file, the edit, what was there before. requests: a method, a path and the
    form's fields. statuses: of the answers, as text; none if the start stops. table: SQL for
    another table. uri: another DATABASE_URI.
    """

    application: str
    changes: list
    requests: list
    statuses: list
    table: str = ""
    uri: str = ""

    def undo(self, place, database):
        """Change the application in the folder `place`, and the SQLite file `database`."""
        for file, after, before in self.changes:
            text = (place / file).read_text()
            assert after in text
            (place / file).write_text(text.replace(after, before, 1))
        if self.table:
            with contextlib.closing(sqlite3.connect(database)) as connection:
                connection.execute(self.table)


def _stock(old, file, begin, end):
    """The part of a stock file from the text `begin` to before `end`."""
    text = (old.folder / file).read_text()
    return text[text.index(begin) : text.index(end)]


FRONT = ["GET", "/page/FrontPage", {}]
REGISTER = ["POST", "/register", {"name": "ada", "password": "lovelace"}]
EDIT = ["POST", "/edit/New", {"text": "new", "base": "0"}]
INTO_CART = ["POST", "/cart", {"sku": "A1", "quantity": "1"}]
ORDER = ["POST", "/order", {"email": "ada@example.org"}]
HOME = ["GET", "/", {}]

URI = _stock(WIKI, "wiki/config.py", "database_uri", "outbox")
IMPORTS = "import Visit\nfrom wiki import config\nfrom urllib.parse import unquote, urlparse\n"
HOOK = _stock(WIKI, "wiki/model.py", "def load_sqlo", "def session_database")
SESSIONS = _stock(WIKI, "wiki/model.py", "def session_database", "def create_tables")
SHOP_URI = _stock(SHOP, "config.py", "database_uri", "sessions")
# It reads a variable of another name, and so uses its default.
ELSEWHERE = SHOP_URI.replace("DATABASE_URI", "SHOP_DATABASE")
CONNECTION = _stock(SHOP, "model.py", "import config", "class Setting")
COMMIT = "        product = find(sku)\n        sqlhub.threadConnection.commit()"
ROLLBACK = "        product = find(i.sku)\n        sqlhub.threadConnection.rollback()"
THREAD = _stock(WIKI, "wiki/code.py", "    con = connection", "    path = page.title")
TITLE = _stock(SHOP, "model.py", "_title = None", "def create_tables")

FORGOTTEN = {
    "A hook that opens a transaction": Forgotten(
        "wiki",
        [
            ("wiki/config.py", "outbox =", URI + "outbox ="),
            ("wiki/model.py", "import Visit\n", IMPORTS),
            ("wiki/model.py", "def create_tables", HOOK + "def create_tables"),
            ("wiki/code.py", "session = ", "app.add_processor(load_sqlo)\nsession = "),
        ],
        [FRONT],
        ["500"],
    ),
    "A connection at import": Forgotten(
        "shop",
        [
            ("config.py", "sessions =", ELSEWHERE + "sessions ="),
            ("model.py", "class Setting", CONNECTION + "class Setting"),
        ],
        [HOME],
        [],
    ),
    "Options in the URI": Forgotten(
        "shop", [], [HOME], [], uri="mysql://shop:secret@127.0.0.1/shop?charset=utf8"
    ),
    "A class with a connection": Forgotten(
        "shop",
        [
            ("config.py", "sessions =", SHOP_URI + "sessions ="),
            ("model.py", "import datetime", "import config, datetime"),
            (
                "model.py",
                "    value = UnicodeCol(length=200)\n",
                "    value = UnicodeCol(length=200)\n"
                "    _connection = connectionForURI(config.database_uri)\n",
            ),
        ],
        [HOME],
        ["500"],
    ),
    "A server at import": Forgotten(
        "shop",
        [("main.py", 'if __name__ == "__main__":\n    app.run()', "app.run()")],
        [HOME],
        [],
    ),
    "A duplicate that is caught": Forgotten(
        "wiki",
        [("wiki/code.py", "with savepoint():", "if True:")],
        [REGISTER, REGISTER],
        ["303", "500"],
    ),
    "A transaction in a handler": Forgotten(
        "shop",
        [
            (
                "main.py",
                "with savepoint():\n                number = place_order(email, session.cart)",
                "number = sqlhub.doInTransaction(place_order, email, session.cart)",
            )
        ],
        [INTO_CART, ORDER],
        ["303", "500"],
    ),
    "A commit, a rollback": Forgotten(
        "shop",
        [
            ("main.py", "        product = find(sku)", COMMIT),
            ("main.py", "        product = find(i.sku)", ROLLBACK),
        ],
        [["GET", "/product/A1", {}], INTO_CART],
        ["500", "500"],
    ),
    "An instance stored in a module": Forgotten(
        "shop",
        [
            (
                "model.py",
                _stock(SHOP, "model.py", "def shop_title", "    global"),
                TITLE + "def other():\n",
            )
        ],
        [HOME, HOME],
        ["200", "500"],
    ),
    "A generator that writes": Forgotten(
        "shop",
        [("admin.py", 'line."""\n\n    @writing\n', 'line."""\n\n')],
        [["GET", "/admin/orders.csv", {}]],
        ["200"],
    ),
    "A POST that waits for another service": Forgotten(
        "shop",
        [("admin.py", "@in_transaction()\ndef receive", "def receive")],
        [["POST", "/admin/deliveries", {}]],
        ["500"],
    ),
    "What a thread does": Forgotten(
        "wiki",
        [
            ("wiki/config.py", "outbox =", URI + "outbox ="),
            ("wiki/code.py", "import mail, view", "import config, mail, view"),
            ("wiki/code.py", "@in_transaction()\ndef notify", "def notify"),
            ("wiki/code.py", "    page = Page.get(page_id)\n", THREAD),
        ],
        [REGISTER, EDIT],
        ["303", "303"],
    ),
    "What a thread is given": Forgotten(
        "wiki",
        [
            ("wiki/code.py", "args=(page.id, ", "args=(page, "),
            ("wiki/code.py", "page = Page.get(page_id)", "page = page_id"),
        ],
        [REGISTER, EDIT],
        ["303", "303"],
    ),
    "Sessions in the database": Forgotten(
        "wiki",
        [
            ("wiki/config.py", "outbox =", URI + "outbox ="),
            ("wiki/model.py", "import Visit\n", IMPORTS),
            ("wiki/model.py", "def create_tables", SESSIONS + "def create_tables"),
            (
                "wiki/code.py",
                "VisitStore()",
                'web.session.DBStore(session_database(), "sessions")',
            ),
            (
                "wiki/code.py",
                "session = ",
                "app.add_processor(web.loadhook(Page.select().count))\nsession = ",
            ),
        ],
        [REGISTER],
        ["500"],
        table="CREATE TABLE sessions (session_id CHAR(128) UNIQUE, atime TIMESTAMP, data TEXT)",
    ),
    "A request inside a handler": Forgotten(
        "wiki",
        [
            (
                "wiki/code.py",
                '        q = web.input(q="").q\n',
                "        before = dict(web.ctx)\n"
                '        app.request("/changes")\n'
                "        web.ctx.update(before)\n"
                '        q = web.input(q="").q\n',
            )
        ],
        [["GET", "/search", {}]],
        ["500"],
    ),
}
