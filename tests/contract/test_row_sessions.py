"""The sessions of app/web/sessions.py: rows that are changed in the request's transaction."""

import http.cookies
import re

import pytest
from sqlobject import sqlhub

from app.transactions import in_transaction, runs
from app.web import sessions
from app.web.sessions import RowStore, WebSession, digest_of
from app.web.throttle import Failure
from tests.contract.busy import Busy
from tests.contract.internals import forget_saved_sessions, is_writing
from tests.contract.site import Entry, Site, in_threads
from tests.contract.visitor import STORES, SiteWithSessions, Visitor

DAY = 24 * 3600


class Browser:
    """Sends requests with the session's cookie that the answers have set."""

    def __init__(self, site, token=None):
        self.site = site
        self.token = token

    def request(self, handler, method="POST"):
        env = {"HTTP_COOKIE": f"session={self.token}"} if self.token else {}
        response = self.site.request(handler, method, env)
        for name, value in response.header_items:
            if name == "Set-Cookie":
                self.token = http.cookies.SimpleCookie(value)["session"].value or None
        return response

    def get(self, name):
        """A value of the session, read in a separate request."""
        found = []
        self.request(lambda: found.append(sessions.get(name)), "GET")
        return found[0]

    def has_session(self):
        found = []
        self.request(lambda: found.append(sessions.session()), "GET")
        return found[0] is not None


@pytest.fixture
def make_browser(make_site, monkeypatch):
    """Create a Browser whose session has the count 0."""

    def make(**options):
        site = make_site(Site, models=(Entry, WebSession, Failure), **options)
        monkeypatch.setattr(sqlhub, "processConnection", site.connection, raising=False)
        browser = Browser(site)
        assert browser.request(lambda: sessions.put("count", 0)).status == "200 OK"
        assert re.fullmatch("[A-Za-z0-9_-]{43}", browser.token)
        return browser

    return make


@pytest.fixture
def browser(make_browser):
    return make_browser()


def rows(browser):
    return browser.site.execute("SELECT * FROM web_session")


def age(browser, column, seconds):
    browser.site.execute(f"UPDATE web_session SET {column} = {column} - {seconds}")


def seen(browser):
    return browser.site.execute("SELECT seen FROM web_session")[0][0]


def count():
    """A handler that counts in the session."""
    sessions.put("count", sessions.get("count") + 1)
    return "counted"


def test_the_database_has_the_sha_256_of_the_token_and_not_the_token(browser):
    [row] = rows(browser)
    assert digest_of(browser.token) in row
    assert browser.token not in str(row)


def test_a_session_is_renewed_with_its_values_and_the_old_token_is_worth_nothing(browser):
    before = browser.token
    browser.request(lambda: sessions.begin(account=7))
    assert browser.token != before
    assert browser.get("count") == 0
    assert not Browser(browser.site, before).has_session()
    assert len(rows(browser)) == 1


def test_the_values_of_one_account_are_not_given_to_another(browser):
    browser.request(lambda: sessions.begin(account=7))
    browser.request(lambda: sessions.begin(account=8))
    assert browser.get("count") is None


def test_a_token_that_a_client_invents_begins_no_session(browser):
    chosen = Browser(browser.site, "a" * 43)
    chosen.request(lambda: sessions.put("count", 5))
    assert chosen.token != "a" * 43
    assert not Browser(browser.site, "a" * 43).has_session()


def test_an_ended_session_is_gone_for_everybody(browser):
    token = browser.token
    browser.request(sessions.end)
    assert browser.token is None
    assert not Browser(browser.site, token).has_session()
    assert rows(browser) == []


@pytest.mark.parametrize("change", [count, sessions.end, sessions.begin])
def test_a_request_that_fails_changes_nothing(browser, change):
    before = rows(browser)
    same = Browser(browser.site, browser.token)

    def fail():
        change()
        raise ZeroDivisionError

    assert browser.request(fail).status.startswith("500")
    assert rows(browser) == before
    assert same.get("count") == 0


def test_a_run_that_comes_to_nothing_leaves_nothing_to_the_next(make_browser):
    browser = make_browser(timeout=0.01)
    busy = Busy(browser.site)
    told = []

    def handler():
        if runs() == 3:
            busy.release()
        else:
            busy.impatient(sqlhub.threadConnection)
        told.append(sessions.get("count"))
        sessions.begin(account=7)
        sessions.put("count", 1)
        sessions.flash("counted")
        Entry(name="a")
        return "done"

    response = browser.request(handler)
    assert response.data == b"done"
    # SQLite refuses the first two runs before they have read.
    assert told == [0] * (1 if browser.site.connection.dbName == "sqlite" else 3)
    assert [name for name, _ in response.header_items].count("Set-Cookie") == 1
    assert browser.get("count") == 1
    assert browser.get(sessions.FLASHES) == ["counted"]
    assert len(rows(browser)) == 1


def test_parallel_requests_that_change_one_session_lose_nothing(make_browser):
    browser = make_browser(attempts=1000, retry_seconds=60)

    def five_times():
        mine = Browser(browser.site, browser.token)
        return [mine.request(count).data for _ in range(5)]

    assert in_threads(*[five_times] * 3) == [[b"counted"] * 5] * 3
    assert browser.get("count") == 15


def test_a_get_that_reads_a_session_stays_a_reading_request(browser):
    kinds = []

    def handler():
        sessions.get("count")
        kinds.append(is_writing())

    for _ in range(2):
        age(browser, "seen", 61)
        before = seen(browser)
        browser.request(handler, "GET")
        assert seen(browser) > before
    assert kinds == [False, False]


def test_a_visit_is_noted_once_a_minute_at_most(browser):
    age(browser, "seen", 50)
    before = rows(browser)
    assert browser.has_session()
    assert rows(browser) == before


def test_a_visit_that_cannot_be_noted_in_time_is_left_to_the_next(make_browser):
    browser = make_browser(timeout=0.01)
    age(browser, "seen", 61)
    before = seen(browser)
    busy = Busy(browser.site)
    if browser.site.connection.dbName == "sqlite":
        assert browser.has_session()
        assert seen(browser) == before
    busy.release()
    assert browser.has_session()
    assert seen(browser) > before


def test_the_note_of_a_visit_does_not_bring_an_ended_session_back(browser):
    age(browser, "seen", 61)
    other = Browser(browser.site, browser.token)

    def handler():
        assert sessions.session() is not None
        in_threads(lambda: other.request(sessions.end))
        return "read"

    assert browser.request(handler, "GET").data == b"read"
    assert other.token is None
    assert rows(browser) == []


@pytest.mark.parametrize(("column", "days"), [("seen", 7), ("begun", 30)])
def test_an_expired_session_is_refused(browser, column, days):
    age(browser, column, days * DAY - 100)
    assert browser.has_session()
    age(browser, column, days * DAY)
    assert not browser.has_session()


def test_expired_sessions_are_removed_when_one_begins_100_at_most(browser):
    values = ", ".join(f"('{number}', 0, {number}, '', '', '{{}}')" for number in range(101))
    columns = "digest, begun, seen, browser, address, data"
    browser.site.execute(f"INSERT INTO web_session ({columns}) VALUES {values}")
    left = []
    for _ in range(2):
        Browser(browser.site).request(sessions.begin)
        left.append(len(rows(browser)))
    # The browser's own and the new ones last.
    assert left == [1 + 1 + 1, 1 + 0 + 2]


def test_an_account_has_100_sessions_at_most(browser):
    values = ", ".join(f"('{number}', 7, 9, {number}, '', '', '{{}}')" for number in range(150))
    columns = "digest, account, begun, seen, browser, address, data"
    browser.site.execute(f"INSERT INTO web_session ({columns}) VALUES {values}")
    age(browser, "seen", -sessions.DAY * 365 * 60)
    browser.request(lambda: sessions.begin(account=7))
    kept = browser.site.execute("SELECT digest FROM web_session WHERE account = 7")
    assert len(kept) == 100
    # Those that were unused for longest have ended.
    assert {row[0] for row in kept} - {digest_of(browser.token)} == {
        str(n) for n in range(51, 150)
    }


def test_a_message_is_shown_once_though_the_get_that_shows_it_is_run_twice(browser):
    browser.request(lambda: sessions.flash("one"))
    browser.request(lambda: sessions.flash("two"))
    shown = []

    def page():
        shown.append((runs(), sessions.flashes()))
        return "page"

    browser.request(page, "HEAD")
    browser.request(page, "GET")
    browser.request(page, "GET")
    assert shown == [(1, ["one", "two"]), (2, ["one", "two"]), (1, [])]


def test_what_a_session_cannot_hold_is_refused(browser):
    refused = []

    def handler():
        for value in ({1}, float("nan"), "x" * 60_001):
            with pytest.raises((TypeError, ValueError)) as caught:
                sessions.put("value", value)
            refused.append(caught.value)

    browser.request(handler)
    assert len(refused) == 3
    assert browser.get("value") is None


def test_a_value_that_was_got_and_changed_is_a_copy(browser):
    browser.request(lambda: sessions.put("cart", ["ä\x00"]))
    browser.request(lambda: sessions.get("cart").append("item"))
    assert browser.get("cart") == ["ä\x00"]


def test_webpys_own_sessions_are_stored_in_the_same_table(make_site, tmp_path, monkeypatch):
    monkeypatch.setitem(STORES, "rows", lambda site: RowStore())
    forget_saved_sessions()
    site = make_site(SiteWithSessions, folder=tmp_path, store="rows", place="after")
    monkeypatch.setattr(sqlhub, "processConnection", site.connection, raising=False)
    WebSession.createTable()
    visitor = Visitor(site)
    session = site.session

    def handler():
        session.count += 1
        Entry(name=f"entry {session.count}")
        return "counted"

    for expected in (1, 2, 3):
        assert visitor.request(handler).data == b"counted"
        assert visitor.get("count") == expected
    [row] = site.execute("SELECT * FROM web_session")
    assert digest_of(visitor.cookie) in row and visitor.cookie not in str(row)
    visitor.request(lambda: session.update(cart=[{1}]), "POST")
    assert visitor.get("cart") == []
    in_transaction(lambda: RowStore().cleanup(3600))
    assert visitor.get("count") == 3
    site.execute("UPDATE web_session SET seen = seen - 3601")
    in_transaction(lambda: RowStore().cleanup(3600))
    assert site.execute("SELECT * FROM web_session") == []
    visitor.request(handler)
    visitor.request(session.kill, "POST")
    assert site.execute("SELECT * FROM web_session") == []


def test_failures_by_many_at_once_are_all_counted(make_browser):
    browser = make_browser(attempts=1000, retry_seconds=60)
    limits = {"account a": 5, "address b": 20}

    def fail_if_allowed():
        if Failure.seconds_to_wait(limits):
            return "wait"
        Failure.note(limits)
        return "failed"

    def three_times():
        return [browser.site.request(fail_if_allowed).data for _ in range(3)]

    told = sum(in_threads(*[three_times] * 4), [])
    assert sorted(told) == [b"failed"] * 5 + [b"wait"] * 7
    browser.site.request(lambda: Failure.forget("account a"))
    assert browser.site.request(fail_if_allowed).data == b"failed"
    browser.site.execute("UPDATE failure SET at = at - 900")
    browser.site.request(fail_if_allowed)
    assert len(browser.site.execute("SELECT * FROM failure")) == 2
