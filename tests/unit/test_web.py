"""The helpers of app/web on an application that is not the example."""

import subprocess
import sys

import pytest
import web

from app.settings import ROOT
from app.transactions import Verdict
from app.web.application import Application
from app.web.problems import OUTCOME_UNKNOWN, TOO_LATE, unavailable
from app.web.rendering import renderer
from tests import own_application
from tests.http_client import Client


class Page:
    def GET(self):
        web.header("Content-Type", "text/plain")
        return "a page"


class Missing:
    def GET(self):
        raise web.notfound()


class Away:
    verdict = Verdict.GONE

    def GET(self):
        raise unavailable({"Retry-After": "1"}, self.verdict)


class Failing:
    def GET(self):
        raise ZeroDivisionError


URLS = ("/failing", Failing)
URLS += ("/page", "Page", "/missing", "Missing", "/programs/missing", "Missing", "/away", Away)
URLS += ("/old", "redirect /page", "/view", "app.pages.View")


def client(**options):
    return Client(Application(URLS, globals(), **options).wsgifunc())


def own_error_page(status, title, detail):
    web.header("Content-Type", "text/x-own")
    return f"{status} {title}: {detail}"


def test_handlers_are_found_by_name_as_in_webpy_and_by_module():
    assert client().get("/page").text == "a page"
    assert client().request("POST", "/view").headers["Allow"] == "GET, HEAD, OPTIONS"
    assert client().get("/old").status == 301
    assert client().request("POST", "/page").headers["Allow"] == "GET, HEAD, OPTIONS"


def test_an_error_is_a_plain_page_by_default():
    for path in ("/missing", "/nowhere", "/programs/missing", "/api/nowhere"):
        answer = client().get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (
            404,
            "text/html; charset=utf-8",
        )
        assert "<h1>Not Found</h1>" in answer.text


def test_markup_in_an_error_is_shown_as_text(monkeypatch):
    monkeypatch.setattr(Missing, "GET", lambda self: web.badrequest("<script>"))
    assert "<script" not in client().get("/missing").text


@pytest.mark.parametrize("page", [own_error_page, f"{__name__}.own_error_page"])
def test_another_error_page_is_given_or_named(page):
    answer = client(error_page=page).get("/missing")
    assert answer.headers["Content-Type"] == "text/x-own"
    assert answer.text == "404 Not Found: There is nothing at this address."


def test_a_wrong_name_of_the_error_page_shows_at_the_start():
    with pytest.raises(AttributeError, match="no_page"):
        client(error_page="app.web.problems.no_page")


def test_errors_at_the_paths_of_programs_are_problem_details():
    served = client(for_programs="/programs(/|$)", error_page=own_error_page)
    answer = served.get("/programs/missing")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["title"] == "Not Found"
    assert served.get("/missing").headers["Content-Type"] == "text/x-own"
    assert served.get("/programsmissing").headers["Content-Type"] == "text/x-own"


@pytest.mark.parametrize(
    ("verdict", "said", "kind"),
    [
        (Verdict.CONFLICT, "Nothing was changed", "about:blank"),
        (Verdict.GONE, "Nothing was changed", "about:blank"),
        (Verdict.FULL, "no room left. Nothing was changed", "about:blank"),
        (Verdict.LATE, "Nothing was changed", TOO_LATE),
        (Verdict.UNKNOWN, "look whether it is there", OUTCOME_UNKNOWN),
    ],
)
def test_each_reason_of_a_503_is_told(monkeypatch, verdict, said, kind):
    monkeypatch.setattr(Away, "verdict", verdict)
    answer = client(for_programs="/").get("/away")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert said in answer.json["detail"]
    assert answer.json["type"] == kind


def test_an_unexpected_error_does_not_say_that_nothing_was_changed():
    """A part may be committed, by in_transaction in a handler marked @no_transaction."""
    answer = client(for_programs="/").get("/failing")
    assert (answer.status, "logged" in answer.json["detail"]) == (500, True)
    assert "changed" not in answer.text


def test_templates_of_another_folder_are_rendered_into_its_layout(tmp_path):
    (tmp_path / "layout.html").write_text("$def with (content)\n<main>$:content</main>\n")
    (tmp_path / "greeting.html").write_text("$def with (name)\nHello $name\n")
    page = renderer(tmp_path)

    class Greeting:
        def GET(self):
            return page("greeting", "<you>")

    served = Client(Application(("/", Greeting)).wsgifunc())
    answer = served.get("/")
    assert answer.text == "<main>Hello &lt;you&gt;\n</main>\n"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("pages", "said"),
    [("def deep():\n    no_such_name\n\n\ndeep()\n", "in deep"), (None, "app.pages")],
    ids=["fails", "is missing"],
)
def test_a_handlers_module_that_cannot_be_imported_stops_the_start(tmp_path, pages, said):
    own = own_application.make(tmp_path / "own", pages=pages)
    environ = {"DATABASE_URI": f"sqlite://{tmp_path}/site.db"}
    command = [sys.executable, "-c", "import runpy; runpy.run_path('wsgi/app.wsgi')"]
    done = subprocess.run(command, cwd=own, env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr and said in done.stderr


def test_a_database_that_cannot_be_used_stops_the_start_and_is_named():
    environ = {"DATABASE_URI": "oracle://me:s3cret@db/site"}
    command = [sys.executable, "-c", "import runpy; runpy.run_path('wsgi/app.wsgi')"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert "SettingsError: DATABASE_URI cannot be used: no database engine" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_fault_in_the_wiring_is_not_taken_for_a_missing_name(tmp_path):
    own = own_application.make(tmp_path / "own")
    wiring = own / "app" / "__init__.py"
    wiring.write_text(wiring.read_text().replace("settings.cache_rows", "settings.cash_rows"))
    done = subprocess.run(
        [sys.executable, "-c", "from app import app"], cwd=own, capture_output=True, text=True
    )
    assert "cash_rows" in done.stderr and "the site could not be loaded" in done.stderr
