"""The list of users and the forms of editors on each engine, by the whole application."""

import re
from functools import partial
from html import unescape
from urllib.parse import urlencode

import pytest

from app.models import HashedPassword, User
from app.transactions import connection_for, in_transaction
from tests.http_client import Browser, password_hash, site_client
from tests.threads import in_threads

PASSWORD = "open sesame"
NAMES = ["Bob", "ada", "Zoë", "a%b", "a_b", "axb", "back\\slash", "quo'te", "Émile", "émil2", "ZZ"]
ROW = re.compile(r'<tr id="user-(\d+)">.*?<a href="/users/\d+">(.*?)</a>')


@pytest.fixture
def client(tmp_path, uri, monkeypatch):
    """The site with NAMES, of whom every third has the same full name, and the editor "eve"."""
    monkeypatch.setattr("app.listing.PAGE_LENGTH", 4)
    with site_client(tmp_path, uri=uri) as client:
        hashed = HashedPassword(password_hash(PASSWORD))

        def add():
            for number, name in enumerate(NAMES):
                User(name=name, fullname=f"Full {number % 3}", password=hashed)
            User(name="eve", fullname="Eve", password=hashed, role="editor")

        in_transaction(add, connection=connection_for(uri))
        yield client


@pytest.fixture
def editor(client):
    browser = Browser(client)
    assert browser.sign_in("eve", PASSWORD).status == 303
    return browser


def turned(client, query):
    """The rows of the pages from `query` on, and whether the way back leads over the same ones."""
    pages, back = [], []
    for rel, seen in (("next", pages), ("prev", back)):
        while query is not None:
            text = client.get("/", query).text
            seen.append([(int(id), unescape(name)) for id, name in ROW.findall(text)])
            query = link(text, rel)
        query = link(text, "prev")
    return flat(pages), flat(back[::-1]) == flat(pages[:-1])


def link(text, rel):
    found = re.search(f'<a href="/[?]?([^"]*)" rel="{rel}">', text)
    return unescape(found[1]) if found else None


def flat(pages):
    return [row for page in pages for row in page]


def test_each_user_is_on_one_page_and_the_other_direction_is_the_other_way_round(client):
    everybody, _ = turned(client, "")
    assert len(everybody) == len(NAMES) + 4
    for sort in ("id", "name", "fullname"):
        found, same_back = turned(client, f"sort={sort}")
        assert sorted(found) == everybody and same_back
        assert turned(client, f"sort=-{sort}") == (found[::-1], True)


def test_names_are_sorted_whatever_their_case(client):
    found = [name for _, name in turned(client, "sort=name")[0] if name in NAMES]
    # Where letters of other alphabets stand is the database's matter.
    plain = ["ada", "axb", "Bob", "quo'te", "ZZ"]
    assert [name for name in found if name in plain] == plain


def test_a_search_finds_what_it_says(client):
    for search, found in {
        "%": ["a%b"],
        "A_B": ["a_b"],
        "\\": ["back\\slash"],
        "'": ["quo'te"],
        "BOB": ["Bob"],
        "FULL 2": NAMES[2::3],
        "Zoë": ["Zoë"],
        "Émile": ["Émile"],
        "nobody": [],
    }.items():
        names = {name for _, name in turned(client, urlencode({"q": search}))[0]}
        assert names == set(found), search


def form(browser, path, **fields):
    text = browser.get(path).text
    state = re.search(r'name="state" value="([^"]*)"', text)
    user = {"name": "new", "fullname": "New", "role": "reader", "password": PASSWORD}
    user |= {"state": unescape(state[1])} if state else {"form": "of one page"}
    return user | fields


def test_a_form_is_sent_twice_at_once_and_adds_one_user(client, editor):
    sent = form(editor, "/users/new")
    editors = [Browser(client) for _ in range(2)]
    for one in editors:
        one.jar = dict(editor.jar)
    answers = in_threads(*[partial(one.post, "/users/new", sent) for one in editors])
    assert [answer.status for answer in answers] == [303, 303]
    assert len({answer.headers["Location"] for answer in answers}) == 1


def test_two_edits_at_once_are_one_edit_and_one_conflict(client, editor):
    sent = [form(editor, "/users/4/edit", name=f"other {number}") for number in (1, 2)]
    editors = [Browser(client) for _ in range(2)]
    for one in editors:
        one.jar = dict(editor.jar)
    answers = in_threads(
        *[
            partial(one.post, "/users/4/edit", fields)
            for one, fields in zip(editors, sent, strict=True)
        ]
    )
    assert sorted(answer.status for answer in answers) == [303, 409]


def test_of_edits_at_once_by_the_api_and_a_page_one_is_done(client, editor):
    """Each is based on the same state; the others are told that it has changed."""
    tag = client.get("/api/users/4").headers["ETag"]
    sent = form(editor, "/users/4/edit", name="Bob", fullname="of the page")
    answers = in_threads(
        *[
            partial(client.send, "PATCH", "/api/users/4", {"fullname": text}, HTTP_IF_MATCH=tag)
            for text in ("one", "two", "three")
        ],
        partial(editor.post, "/users/4/edit", sent),
    )
    [done] = [answer for answer in answers if answer.status in (200, 303)]
    assert all(answer.status in (409, 412) for answer in answers if answer is not done)
    stored = client.get("/api/users/4").json["fullname"]
    assert stored == (done.json["fullname"] if done.status == 200 else "of the page")


def test_a_taken_name_is_told_and_ones_own_is_not_taken(client, editor):
    answer = editor.post("/users/new", form(editor, "/users/new", name="ada"))
    assert answer.status == 422 and "is taken by another user" in answer.text
    path = "/users/4/edit"
    for name in ("BOB", "Bob"):
        assert editor.post(path, form(editor, path, name=name)).status == 303


def test_an_editor_who_deletes_herself_is_signed_out(client, editor):
    id = client.get("/api/users", "limit=1000").json["users"][-1]["id"]
    path = f"/users/{id}/delete"
    assert editor.post(path, form(editor, path)).status == 303
    assert editor.get("/users/new").status == 303
