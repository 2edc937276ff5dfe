"""app/transactions can be taken: copied below another name it serves where there is no `app`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import app.transactions
from tests.contract.site import database_of

FOLDER = Path(app.transactions.__file__).parent

# One route, asked once to write, once to fail in the middle, and twice to read.
SITE = """
import importlib.util
import sys

import web
from sqlobject import SQLObject, StringCol, sqlhub

from elsewhere import db_transactions

class Note(SQLObject):
    text = StringCol(length=50)

class Notes:
    def GET(self):
        return " ".join(note.text for note in Note.select(orderBy="id"))

    def POST(self):
        Note(text=web.data().decode())
        return str(1 / len(web.data()))

load_sqlo = db_transactions.transaction_per_request(sys.argv[1], cache_rows=10)
load_sqlo()
Note.createTable()
del sqlhub.processConnection
site = web.application(("/", Notes), autoreload=False)
site.add_processor(load_sqlo)
site.internalerror = web.webapi._InternalError
for method, data in ("POST", "a"), ("POST", ""), ("GET", ""), ("GET", ""):
    answer = site.request("/", method=method, data=data)
    print(answer.status, answer.data.decode())
print(db_transactions.__file__)
print(importlib.util.find_spec("app"), "app" in sys.modules)
"""


def test_a_copy_below_another_name_serves_requests(server, uri, tmp_path):
    package = tmp_path / "project" / "elsewhere"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copytree(
        FOLDER, package / "db_transactions", ignore=shutil.ignore_patterns("__pycache__")
    )
    (package.parent / "serve.py").write_text(SITE)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "serve.py", uri],
        cwd=package.parent,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "200 OK 1.0",
        "500 Internal Server Error internal server error",
        "200 OK a",
        "200 OK a",
        str(package / "db_transactions" / "__init__.py"),
        "None False",
    ], done.stderr
    assert [tuple(row) for row in server.execute("SELECT text FROM note", database_of(uri))] == [
        ("a",)
    ]
