"""What visitors do with the wiki, one after the other and at once."""

import re
import time
from urllib.parse import quote
from xml.etree import ElementTree

import httpx

from tests.applications.driving import (
    DEADLINE,
    Visitor,
    check_count,
    check_shown,
    from_every_process,
    number,
    together,
)

TITLE = "Käse & Brot"
PAGE = quote(TITLE)
BYTES = bytes(range(256)) * 1200
FEED = "{http://www.w3.org/2005/Atom}"


def flow(base):
    """Use all of an empty wiki; return what was answered."""
    answers = []
    with Visitor(base, answers) as ada, Visitor(base, answers) as grace:
        _accounts(ada, grace)
        _pages(ada, grace)
        _history(ada)
        _files(ada, grace)
        _found(ada)
        _notices(ada, grace)
        ada.get("/page/missing", status=404)
        assert ada.follow(ada.post("/logout")).status_code == 200
        assert ada.get("/account", status=303).headers["Location"].endswith("/login")
    return answers


def shown(base):
    """What a used wiki shows, without changing it; grace has watched a page."""
    answers = []
    with Visitor(base, answers) as grace:
        grace.post("/login", name="grace", password="hopper")
        pages = f"/history/{PAGE}", f"/diff/{PAGE}?old=1&new=2", "/search?q=Once", "/account"
        for path in (*pages, "/changes", "/file/1/a%20photo.png"):
            grace.get(path)
    return answers


def _accounts(ada, grace):
    front = ada.follow(ada.get("/", status=303))
    for path in ada.links(front):
        ada.get(path, status=303 if path in ("/account", "/edit/FrontPage") else 200)
    assert ada.get("/edit/FrontPage", status=303).headers["Location"].endswith("/login")
    ada.follow(ada.post("/register", name="ada", password="lovelace"))
    taken = grace.post("/register", status=200, name="ada", password="hopper")
    assert "That name is taken." in taken.text
    grace.post("/register", name="grace", password="hopper")
    grace.post("/logout")
    assert "Wrong name" in grace.post("/login", status=200, name="grace", password="?").text
    grace.follow(grace.post("/login", name="grace", password="hopper"))
    assert "grace" in grace.get("/account").text


def _pages(ada, grace):
    assert 'value="0"' in ada.get(f"/edit/{PAGE}").text
    made = ada.post(
        f"/edit/{PAGE}", text="= Käse =\n\nSee [[FrontPage]].", base="0", comment="new"
    )
    page = ada.follow(made)
    assert "<h2>Käse</h2>" in page.text
    for path in ada.links(page):
        if "/undo/" not in path and "/watch/" not in path and "/attach/" not in path:
            ada.get(path)
    grace.post(f"/edit/{PAGE}", text="= Käse =\n\nMit Brot.", base="1", comment="bread")
    late = ada.post(f"/edit/{PAGE}", status=409, text="= Käse =\n\nMit Wein.", base="1")
    assert "-Mit Brot." in late.text and "+Mit Wein." in late.text
    assert "Mit Brot." in ada.get(f"/page/{PAGE}").text
    seen = number(ada.get(f"/page/{PAGE}"), "views")
    assert [number(ada.get(f"/page/{PAGE}"), "views") for _ in range(5)] == [
        seen + more for more in range(1, 6)
    ]


def _history(ada):
    rows = re.findall(r"<tr><td>(\d+)</td><td>(\w+)</td>", ada.get(f"/history/{PAGE}").text)
    assert rows == [("1", "ada"), ("2", "grace")]
    assert "+Mit Brot." in ada.get(f"/diff/{PAGE}?old=1&new=2").text
    assert "See " in ada.follow(ada.post(f"/undo/{PAGE}")).text
    assert "undo 2" in ada.get(f"/history/{PAGE}").text


def _files(ada, grace):
    file = {"myfile": ("a photo.png", BYTES, "image/png")}
    page = ada.follow(ada.post(f"/attach/{PAGE}", files=file))
    [link] = [path for path in ada.links(page) if path.startswith("/file/")]
    fetched = grace.get(link)
    assert (fetched.content, fetched.headers["Content-Type"]) == (BYTES, "image/png")


def _found(ada):
    assert TITLE in _names(ada.get("/search?q=FrontPage"))
    assert _names(ada.get("/search?q=nowhere")) == []
    entries = ElementTree.fromstring(ada.get("/changes").text).findall(f"{FEED}entry")
    assert [one.findtext(f"{FEED}summary") for one in entries][:3] == ["undo 2", "bread", "new"]
    link = entries[0].find(f"{FEED}link").get("href")
    assert ada.path(link) == f"/page/{PAGE}"


def _names(answer):
    return [
        name.replace("&amp;", "&") for name in re.findall(r"<li><a [^>]*>(.*?)</a>", answer.text)
    ]


def _notices(ada, grace):
    """Who watches a page is told once of each change by another."""
    grace.post(f"/watch/{PAGE}")
    ada.post(f"/edit/{PAGE}", text="Once more.", base="3")
    wait_for_notices(grace, 1)
    assert "+Once more." in grace.get("/account").text


def wait_for_notices(visitor, expected):
    """Wait until the visitor's account shows `expected` notices; fails if it shows more."""
    ends = time.monotonic() + DEADLINE
    while (shown := number(visitor.http.get(visitor.base + "/account"), "notices")) != expected:
        assert shown < expected and time.monotonic() < ends, f"{shown} notices"
        time.sleep(0.1)


def no_view_is_lost(base, clients=6, each=15):
    """Each answered view of a page is counted once."""
    before = number(httpx.get(f"{base}/page/FrontPage", timeout=DEADLINE), "views")

    def view(_):
        with httpx.Client(timeout=DEADLINE) as http:
            return sum(http.get(f"{base}/page/FrontPage").is_success for _ in range(each))

    answered = sum(together(clients, view))
    assert answered > clients * each / 2
    check_count(
        before + answered + 1,
        number(httpx.get(f"{base}/page/FrontPage", timeout=DEADLINE), "views"),
    )


def nothing_is_lost(base, clients=4, each=4):
    """Of edits of one text at once one is accepted. Each accepted one is in the history, and told
    once to those who watch the page."""
    with Visitor(base) as watcher:
        watcher.post("/register", name="watcher", password="secret")
        watcher.post("/edit/Shared", text="first", base="0", comment="first")
        watcher.post("/watch/Shared")
        edits = together(clients, lambda me: _edits(base, f"editor {me}", each))
        taken = sorted(one for mine in edits for one in mine)
        assert len(taken) == clients * each
        text = watcher.get("/history/Shared").text
        rows = re.findall(r"<tr><td>(\d+)</td><td>[^<]*</td><td>(.*?)</td>", text)
        assert [(int(number), comment) for number, comment in rows] == [(1, "first"), *taken]
        wait_for_notices(watcher, len(taken))


def _edits(base, me, count):
    """Make `count` edits, each as often as it takes; return their revisions and comments."""
    taken = []
    with Visitor(base) as visitor:
        visitor.post("/register", name=me, password="secret")
        for turn in range(count):
            fields = {"text": f"{turn} by {me}", "comment": f"{turn} by {me}"}
            for _ in range(100):
                form = visitor.get("/edit/Shared").text
                revision = re.search(r'name="base" value="(\d+)"', form)[1]
                answer = visitor.post("/edit/Shared", status=None, base=revision, **fields)
                if answer.status_code == 303:
                    taken.append((int(revision) + 1, fields["comment"]))
                    break
                assert answer.status_code == 409, answer.text
    return taken


def no_page_is_stale(base, processes, rounds=3):
    """Every process shows acknowledged changes on its next page."""
    with Visitor(base) as visitor:
        visitor.post("/register", name="writer", password="secret")
        for turn in range(rounds):
            comment = f"turn {turn}"
            visitor.post("/edit/Fresh", text=f"{comment}.", base=str(turn), comment=comment)
            shown = {
                "/page/Fresh": f"{comment}.",
                "/history/Fresh": f"<tr><td>{turn + 1}</td>",
                "/changes": f"<summary>{comment}</summary>",
                f"/search?q={quote(comment)}": ">Fresh</a>",
            }
            for path, expected in shown.items():
                for answer in from_every_process(base, path, processes):
                    check_shown(expected, answer)
