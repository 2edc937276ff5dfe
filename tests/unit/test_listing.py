"""The list of users: searched, sorted, a page at a time, through the whole application."""

import contextlib
import re
import sqlite3
from urllib.parse import urlencode

import pytest
from sqlobject import sqlhub

from app.listing import Listing
from tests.contract.internals import raw_connection, watched
from tests.http_client import site_client

ROW = re.compile(r'<tr id="user-(\d+)">.*?<a href="/users/\d+">(.*?)</a>.*?<td>(.*?)</td></tr>')
MANY = 10_000


def add_users(folder, users):
    """Add (name, full name) pairs as another process does, without the time for hashes."""
    with contextlib.closing(sqlite3.connect(folder / "site.db")) as raw, raw:
        raw.executemany("INSERT INTO users (name, fullname, password) VALUES (?, ?, '')", users)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("listing")


@pytest.fixture(scope="module")
def client(folder):
    """The site with 250 users beside its three: names n000 to n249, full names of ten kinds."""
    with site_client(folder) as client:
        # In upper and lower case, and not in the order of the names.
        add_users(
            folder,
            [
                (f"{'nN'[i % 2]}{i * 7 % 250:03}", f"{'fF'[i % 3 == 0]}ull {i % 10}")
                for i in range(250)
            ],
        )
        yield client


def rows(text):
    return [(int(id), name, fullname) for id, name, fullname in ROW.findall(text)]


def link(text, rel):
    found = re.search(f'<a href="/([^"]*)" rel="{rel}">', text)
    return found and found[1].replace("&amp;", "&").removeprefix("?")


def turned(client, query, rel):
    """The pages from `query` on, by their links `rel`."""
    pages = []
    while query is not None:
        text = client.get("/", query).text
        pages.append(rows(text))
        query = link(text, rel)
    return pages


KEYS = {
    "": lambda row: row[0],
    "id": lambda row: row[0],
    "name": lambda row: (row[1].lower(), row[0]),
    "fullname": lambda row: (row[2].lower(), row[0]),
}


@pytest.mark.parametrize("search", ["", "n1", "FULL 3"])
@pytest.mark.parametrize("direction", ["", "-"])
@pytest.mark.parametrize("field", ["id", "name", "fullname"])
def test_its_pages_have_each_user_once_and_in_order(client, field, direction, search):
    pages = turned(client, urlencode({"sort": direction + field, "q": search}), "next")
    found = [row for page in pages for row in page]
    everybody = [row for page in turned(client, "", "next") for row in page]
    assert len(everybody) == 253
    expected = [
        row for row in everybody if search.lower() in row[1].lower() + "\n" + row[2].lower()
    ]
    assert found == sorted(expected, key=KEYS[field], reverse=bool(direction))
    assert all(len(page) == 100 for page in pages[:-1])


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-fullname"])
def test_the_way_back_has_the_same_users(client, sort):
    forward = turned(client, f"sort={sort}", "next")
    query, text = f"sort={sort}", ""
    for _ in forward:
        text = client.get("/", query).text
        query = link(text, "next")
    back = turned(client, link(text, "prev"), "prev")
    assert [row for page in reversed(back) for row in page] == [
        row for page in forward[:-1] for row in page
    ]


def test_a_page_whose_last_user_is_deleted_still_leads_on(client, folder):
    text = client.get("/", "sort=name").text
    behind = link(text, "next")
    then = rows(client.get("/", behind).text)
    last = rows(text)[-1]
    assert client.send("DELETE", f"/api/users/{last[0]}").status == 204
    assert rows(client.get("/", behind).text) == then
    add_users(folder, [last[1:]])


def test_the_heads_of_the_columns_sort_and_turn_the_order(client):
    text = client.get("/", "q=full&sort=name").text
    assert 'aria-sort="ascending"><a href="/?q=full&amp;sort=-name">Name' in text
    assert '<a href="/?q=full&amp;sort=fullname">Full name' in text
    text = client.get("/", "q=full&sort=-name").text
    assert 'aria-sort="descending"><a href="/?q=full&amp;sort=name">Name' in text


@pytest.mark.parametrize("search", ["%", "_", "\\", "'", '"', "n0%", "*", "😀"])
def test_a_search_finds_exactly_its_text(client, search):
    text = client.get("/", urlencode({"q": search})).text
    assert rows(text) == []
    assert "No user has" in text and "Show all" in text


def test_a_search_stays_in_its_field_without_the_blanks_around_it(client):
    text = client.get("/", urlencode({"q": '  "><b> '})).text
    assert 'value="&quot;&gt;&lt;b&gt;"' in text


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("sort=password", "sort must be one of id, name, fullname"),
        ("sort=--id", "sort must be one of"),
        ("sort=id&sort=id", "sort must be one text"),
        ("q=%00", "q must be one text"),
        ("q=" + "x" * 201, "q must be one text of at most 200 characters"),
        ("after=1&before=2", "before excludes after"),
        ("before=x", "before must be one whole number"),
        ("sort=name&after=1&from=%1f", "from must be one text"),
    ],
)
def test_a_wrong_address_is_400_with_the_parameter_named(client, query, named):
    answer = client.get("/", query)
    assert answer.status == 400
    assert named in answer.text


def test_of_10000_users_a_page_takes_few_queries_however_it_is_sorted_and_searched(
    tmp_path, monkeypatch
):
    """At most BEGIN, the snapshot token, and two for the list: ids, and rows that are not kept."""
    sent = []

    def counting(listing):
        raw = raw_connection()
        with watched(sqlhub.threadConnection, raw) as statements:
            found = page(listing)
        sent.append(len(statements))
        return found

    page = Listing.page
    with site_client(tmp_path) as client:
        add_users(tmp_path, ((f"n{i:05}", f"Full {i % 100}") for i in range(MANY)))
        monkeypatch.setattr(Listing, "page", counting)
        for query in (
            "",
            "sort=-fullname",
            "sort=name&after=9000&from=n08996",
            "before=9000",
            "q=full+9&sort=name",
            "q=nobody",
        ):
            answer = client.get("/", query)
            assert answer.status == 200
            assert len(answer.body) < 50_000
    assert len(sent) == 6 and max(sent) <= 4, sent
