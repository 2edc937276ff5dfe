"""Your application in place of the example: found, imported, adopted, or refused."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys

import pytest
import web

from app.settings import ROOT
from app.web import adopt

CODE = """
import os
import web
from wiki.model import Page

web.config.session_parameters.secret_key = "of a test"
urls = ("/", "Index", "/surroundings", "Surroundings", "/fail", "Fail")
app = web.application(urls, globals())
app.add_processor(web.loadhook(lambda: web.header("Content-Type", "text/plain")))
application = app.wsgifunc()


class Index:
    def GET(self):
        return str(Page.select().count())

    def POST(self):
        Page(title="new")
        return "made"


class Surroundings:
    def GET(self):
        where = f"{os.getcwd()} {os.path.exists('wiki/code.py')}"
        return f"{os.environ['WIKI_NAME']} {where} {os.environ['DATABASE_URI']}"


class Fail:
    def GET(self):
        raise RuntimeError("the secret of the source")

    def POST(self):
        Page(title="half done")
        raise RuntimeError("after the half")


if __name__ == "__main__":
    app.run()
"""

MODEL = """
from sqlobject import SQLObject, StringCol, sqlhub


class _Base(SQLObject):
    pass


class Page(SQLObject):
    title = StringCol()


def make():
    import sys
    Page.createTable(ifNotExists=True)
    Page(title="by the function")
    sys.exit(0)


if __name__ == "__main__":
    import sys
    Page.createTable(ifNotExists=True)
    Page(title="by the program")
    sys.exit(0)
"""

ASK = """
import json, runpy
served = runpy.run_path(%r)["application"]
import sys
example = [name for name in ("app.models", "app.pages", "app.api") if name in sys.modules]
sys.path.insert(0, %r)
from tests.http_client import Client
client = Client(served)
answers = [client.request(method, path) for method, path in %r]
print(json.dumps({
    "answers": [[answer.status, answer.text] for answer in answers],
    "example": example,
}))
"""

READY = """
import runpy
from wsgiref.util import setup_testing_defaults
environ = {"PATH_INFO": "/readyz"}
setup_testing_defaults(environ)
served = runpy.run_path(%r)["application"]
list(served(environ, lambda status, headers: print(status, end="")))
"""


@pytest.fixture
def wiki(tmp_path):
    """A folder for SITE_PATH with the application `wiki` in it."""
    folder = tmp_path / "srv"
    (folder / "wiki").mkdir(parents=True)
    (folder / "wiki" / "__init__.py").touch()
    (folder / "wiki" / "code.py").write_text(CODE)
    (folder / "wiki" / "model.py").write_text(MODEL)
    (tmp_path / "site.env").write_text("WIKI_NAME=ours\n")
    return folder


def environment(folder, **further):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SITE_")}
    return kept | {
        "DATABASE_URI": f"sqlite://{folder.parent}/site.db",
        "SITE_APPLICATION": "wiki.code:app",
        "SITE_PATH": str(folder),
        "SITE_SETTINGS": str(folder.parent / "site.env"),
        **further,
    }


def python(folder, *arguments, **further):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(folder, **further),
        capture_output=True,
        text=True,
        timeout=60,
    )


def make_database(folder, *options, **further):
    return python(folder, "-m", "app.database", *options, **further)


def ask(folder, *requests, **further):
    """Send each (method, path) to the application of wsgi/app.wsgi; returns what ASK prints."""
    script = ASK % (str(ROOT / "wsgi" / "app.wsgi"), str(ROOT), requests)
    done = python(folder, "-c", script, **further)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ready(folder):
    """The status of /readyz, without tests.http_client, which imports the example's model."""
    script = READY % str(ROOT / "wsgi" / "app.wsgi")
    done = python(folder, "-c", script, SITE_DATABASE="wiki.model")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["app", "application"])
def test_it_is_served_with_transactions_and_without_the_example(wiki, name):
    assert make_database(wiki).returncode == 0
    named = {"SITE_APPLICATION": f"wiki.code:{name}"}
    said = ask(wiki, ("POST", "/"), ("POST", "/fail"), ("GET", "/"), **named)
    assert [status for status, _ in said["answers"]] == [200, 500, 200]
    assert said["answers"][2][1] == "1"
    assert said["example"] == []


def test_it_finds_its_folder_and_the_files_other_lines(wiki):
    uri = f"sqlite://{wiki.parent}/site.db"
    with open(wiki.parent / "site.env", "a") as file:
        file.write(f"DATABASE_URI={uri}\n")
    said = ask(wiki, ("GET", "/surroundings"), DATABASE_URI="")
    assert said["answers"] == [[200, f"ours {wiki} True {uri}"]]


def test_the_environment_wins_over_the_files_other_lines(wiki):
    said = ask(wiki, ("GET", "/surroundings"), WIKI_NAME="theirs")
    assert said["answers"][0][1].startswith("theirs ")


def test_an_error_shows_its_client_no_source(wiki):
    [[status, text]] = ask(wiki, ("GET", "/fail"))["answers"]
    assert (status, "secret" in text) == (500, False)


@pytest.mark.parametrize(
    ("named", "titles"),
    [(None, []), ("wiki.model", ["by the program"]), ("wiki.model:make", ["by the function"])],
)
def test_the_database_is_created_by_its_classes_or_by_what_site_database_names(
    wiki, named, titles
):
    further = {"SITE_DATABASE": named} if named else {}
    done = make_database(wiki, **further)
    assert (done.returncode, done.stderr) == (0, "")
    assert "table page: " in done.stdout
    assert "table _base" not in done.stdout
    assert make_database(wiki, "--check", **further).returncode == 0
    assert ask(wiki, ("GET", "/"))["answers"] == [[200, str(len(titles))]]


@pytest.mark.parametrize(
    ("main", "status", "said"),
    [
        ("pass", 3, "table page: it is missing"),
        ("raise RuntimeError('no tables today')", 3, "no tables today"),
        ("Page.createTable(); raise SystemExit(5)", 3, "failed, status 5"),
        ("Page.createTable(); Page(title=5, colour=1)", 3, "colour"),
    ],
)
def test_a_program_that_creates_no_tables_is_told_and_leaves_nothing(wiki, main, status, said):
    model = wiki / "wiki" / "model.py"
    model.write_text(
        MODEL.partition("if __name__")[0] + f'if __name__ == "__main__":\n    {main}\n'
    )
    done = make_database(wiki, SITE_DATABASE="wiki.model")
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    check = make_database(wiki, "--check")
    assert (check.returncode, "table page: it is missing" in check.stderr) == (3, True)


def test_a_column_of_the_class_is_added_to_the_table_of_the_program(wiki):
    assert make_database(wiki, SITE_DATABASE="wiki.model").returncode == 0
    model = wiki / "wiki" / "model.py"
    model.write_text(
        MODEL.replace("title = StringCol()", "title = StringCol(); by = StringCol(default=None)")
    )
    done = make_database(wiki, SITE_DATABASE="wiki.model")
    assert (done.returncode, done.stderr) == (0, "")
    assert "table page: added column by" in done.stdout


def test_a_class_that_others_inherit_from_needs_no_table(wiki):
    model = wiki / "wiki" / "model.py"
    model.write_text(MODEL.replace("_Base", "Base").replace("Page(SQLObject)", "Page(Base)"))
    assert make_database(wiki, SITE_DATABASE="wiki.model").returncode == 0
    assert make_database(wiki, "--check", SITE_DATABASE="wiki.model").returncode == 0
    assert ready(wiki) == "200 OK"
    with contextlib.closing(sqlite3.connect(wiki.parent / "site.db")) as raw:
        raw.execute("DROP TABLE page")
    assert ready(wiki) == "503 Service Unavailable"


def test_a_class_outside_of_the_programs_module_is_missed(wiki):
    code = wiki / "wiki" / "code.py"
    code.write_text(CODE + "from sqlobject import SQLObject\nclass Late(SQLObject):\n    pass\n")
    done = make_database(wiki, SITE_DATABASE="wiki.model")
    assert (done.returncode, "table late: it is missing" in done.stderr) == (3, True)


def test_a_program_whose_row_exists_is_told_the_error(wiki):
    model = wiki / "wiki" / "model.py"
    model.write_text(MODEL.replace("StringCol()", "StringCol(alternateID=True, length=50)"))
    assert make_database(wiki, SITE_DATABASE="wiki.model:make").returncode == 0
    done = make_database(wiki, SITE_DATABASE="wiki.model:make")
    assert (done.returncode, "UNIQUE constraint failed" in done.stderr) == (3, True)
    assert "Perhaps a row that it creates" in done.stderr


def test_a_program_that_waits_for_itself_is_told_why(wiki):
    """Its second connection to SQLite's file waits for its own transaction."""
    main = (
        "from sqlobject import connectionForURI\n"
        f"    own = connectionForURI('sqlite://{wiki.parent}/site.db?timeout=0.1')\n"
        "    Page.createTable(ifNotExists=True)\n"
        "    own.query('CREATE TABLE sessions (id INT)')"
    )
    model = wiki / "wiki" / "model.py"
    text = MODEL.partition("if __name__")[0] + f'if __name__ == "__main__":\n    {main}\n'
    model.write_text(text)
    script = "import sys; from app import database, tables; tables.LONGEST_TURN = 1; "
    done = python(wiki, "-c", script + "sys.exit(database.main([]))", SITE_DATABASE="wiki.model")
    assert (done.returncode, "database is locked" in done.stderr) == (3, True), done.stderr
    assert "a second connection to the database: web.py's DBStore" in done.stderr


def test_a_table_from_which_its_class_takes_the_columns_is_not_created_without_them(wiki):
    meta = "\n    class sqlmeta:\n        fromDatabase = True\n"
    (wiki / "wiki" / "model.py").write_text(MODEL.replace("    title = StringCol()\n", meta))
    for options in ([], ["--check"]):
        done = make_database(wiki, *options)
        assert (done.returncode, "takes its columns from it" in done.stderr) == (3, True)


def test_without_a_class_it_is_told_where_they_are_looked_for(wiki):
    (wiki / "wiki" / "code.py").write_text("import web\napp = web.application((), globals())\n")
    done = make_database(wiki)
    assert (done.returncode, "name the module that has them" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (CODE.replace('if __name__ == "__main__":', "if True:"), "write app.run() below"),
        ("app = 5", "SITE_APPLICATION names 5: name the web.application, as"),
        ("application = 5", "SITE_APPLICATION: there is no app in wiki.code"),
        ("def app(environ, start_response): return []", "requests would have no transactions"),
        (
            "from sqlobject import connectionForURI, sqlhub\n"
            "sqlhub.processConnection = connectionForURI('sqlite:///other.db')\n" + CODE,
            "another database than DATABASE_URI",
        ),
        (
            "from sqlobject import connectionForURI, sqlhub\n"
            "sqlhub.threadConnection = connectionForURI('sqlite:///other.db')\n" + CODE,
            "sets sqlhub.threadConnection to another database than DATABASE_URI",
        ),
        (CODE + "web.config.debug = True\n", "each error would show its source to the client"),
        (CODE + "raise SystemExit(0)\n", "ends the process when it is imported, with status 0"),
        (
            CODE + "app = lambda environ, start_response, app=app: app.wsgifunc()\n",
            "write adopt(app, load_sqlo) for the web.application in it",
        ),
        (
            CODE.replace(
                '("/", "Index"', '("/sub", web.application(("/", "no_such.Page")), "/", "Index"'
            ),
            "No module named 'no_such'",
        ),
    ],
)
@pytest.mark.parametrize("command", [("-m", "app.database"), ("wsgi/app.wsgi",)])
def test_what_would_be_served_wrongly_stops_the_start(wiki, code, said, command):
    (wiki / "wiki" / "code.py").write_text(code)
    done = python(wiki, *command)
    assert done.returncode != 0
    assert said in done.stderr


def test_a_file_that_python_has_a_module_for_is_told(wiki):
    """Python has a module `code` for its prompt; here it is imported before the application."""
    (wiki / "code.py").write_text(CODE)
    done = python(wiki, "-c", "import code; from app import app", SITE_APPLICATION="code:app")
    assert "code is not that in SITE_PATH" in done.stderr
    assert ask(wiki, ("GET", "/surroundings"), SITE_APPLICATION="code:app")["answers"][0][0] == 200


def test_its_own_connection_to_the_sites_database_is_replaced(wiki):
    line = "from sqlobject import connectionForURI, sqlhub\nsqlhub.processConnection = "
    line += f"connectionForURI('sqlite://{wiki.parent}/site.db')\n"
    (wiki / "wiki" / "code.py").write_text(line + CODE)
    assert make_database(wiki).returncode == 0
    said = ask(wiki, ("POST", "/fail"), ("GET", "/"))
    assert [status for status, _ in said["answers"]] == [500, 200]
    assert said["answers"][1][1] == "0"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"SITE_APPLICATION": "wiki.cod:app"}, "there is no module wiki.cod, which"),
        ({"SITE_APPLICATION": "wiky.code:app"}, "there is no module wiky.code, which"),
        ({"SITE_DATABASE": "wiki.modle"}, "there is no module wiki.modle, which"),
        ({"SITE_DATABASE": "wiki.model:mak"}, "SITE_DATABASE: there is no mak in wiki.model"),
        ({"SITE_APPLICATION": "wiki.code:nope", "SITE_DATABASE": "wiki.model"}, "no nope in wiki"),
    ],
)
def test_a_name_that_is_not_there_stops_the_start_with_status_2(wiki, named, said):
    done = make_database(wiki, **named)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def hook(handler):
    return handler()


def load_sqlo(handler=None):
    return handler() if handler else None


@pytest.mark.parametrize(
    "before",
    [
        [],
        [hook],
        [hook, load_sqlo],
        [load_sqlo, hook],
        [web.loadhook(load_sqlo), hook],
        [hook, load_sqlo, web.loadhook(load_sqlo)],
    ],
)
def test_adopting_puts_the_transaction_around_all_others_once(before):
    application = web.application((), {})
    own = list(application.processors)
    for processor in before:
        application.add_processor(processor)
    for _ in range(2):
        assert adopt(application, load_sqlo) is application
        others = [hook] if hook in before else []
        assert application.processors == [*own[:2], load_sqlo, *own[2:], *others]


def test_adopting_something_else_is_refused():
    with pytest.raises(TypeError, match="no web.application"):
        adopt(web.application((), {}).wsgifunc(), load_sqlo)
