"""What the check finds in templates and other markup: each with its file, line and cure."""

import pytest

from app.check.findings import WARNING, WRONG
from scripts.lib.check.inside import look
from scripts.lib.command import ROOT
from tests.scripts.check.applications import TEMPLATE, Application, found, only_bad

# A line of a template, and what is told of it.
STOPPED = {
    "<script>alert(1)</script>": "an inline <script>",
    '<script type="module">alert(1)</script>': "an inline <script>",
    "<style>p {}</style>": "an inline <style>",
    '<p onclick="go()">x</p>': "onclick= on <p>",
    '<p style="color: red">x</p>': "style= on <p>",
    '<a href="javascript:go()">x</a>': "href=javascript: on <a>",
    '<script src="https://cdn.example.org/x.js"></script>': "by script-src",
    '<link rel="stylesheet" href="//cdn.example.org/x.css">': "by style-src",
    '<img src="http://example.org/x.png">': "by img-src",
    '<form action="https://example.org/">': "by form-action",
    '<base href="https://example.org/">': "by base-uri",
}


@pytest.mark.parametrize("line", STOPPED)
def test_what_the_policy_stops_is_told(notes, line):
    place = notes.add(f"{line}\n", "templates/index.html", "<form")
    found(notes, WRONG, *place, "the Content-Security-Policy stops", STOPPED[line], "WEBPY_CSP")


def test_what_the_sites_own_policy_allows_is_ok(notes):
    for line in STOPPED:
        notes.add(f"{line}\n", "templates/index.html", "<form")
    allowed = "default-src * 'unsafe-inline'"
    assert only_bad(notes.look(policy=allowed)) == []
    assert len(only_bad(notes.look(policy=f"{allowed}; script-src 'self'"))) == 5


@pytest.mark.parametrize(
    ("text", "further", "said"),
    [
        ("PAGE = '<p onclick=\"go()\">'\n", 0, "onclick= on <p>"),
        ('PAGE = """<p>\n</p>\n<script>go()</script>"""\n', 2, "an inline <script>"),
        ("PAGE = '<p>\\n\\n<style>p {}</style>'\n", 0, "an inline <style>"),
        ("import web.form\nweb.form.Button('go', onclick='go()')\n", 1, "onclick= on <input>"),
    ],
)
def test_markup_in_code_is_looked_at(notes, text, further, said):
    file, line = notes.add(text)
    found(notes, WRONG, file, line + further, "the Content-Security-Policy stops", said)


def test_a_text_about_markup_is_not_markup(notes):
    notes.add("ABOUT = 'write <p> on the page; style = none'\n")
    assert only_bad(notes.look()) == []


def test_an_application_without_a_path_is_looked_at(tmp_path):
    """Such as one that pip has installed; this one is below the checkout."""
    application = Application(tmp_path)
    environment = application.environment(
        SITE_PATH=None, SITE_APPLICATION="tests.scripts.check.without_path:app"
    )
    [wrong] = only_bad(look("application", environment).findings)
    assert (wrong.level, wrong.file) == (WRONG, f"{ROOT}/tests/scripts/check/without_path.py")
    assert "calls doInTransaction in a request" in wrong.text


def test_a_link_that_misses_the_prefix_is_told_once_for_each_file(notes):
    notes.write("templates/other.html", TEMPLATE.replace("$ctx.homepath/", "/"))
    found(
        notes, WARNING, f"{notes.folder}/templates/other.html", 4,
        '3 links such as href="/static/notes.css"', "$ctx.homepath",
    )  # fmt: skip


def test_a_folder_of_templates_is_found_by_its_render(notes):
    place = notes.write("pages/one.html", "<p onclick='go()'>x</p>\n")
    notes.add("other = web.template.render('pages')\n")
    found(notes, WRONG, place, 1, "onclick= on <p>")
