"""Signing in and out, passwords, sessions and rights, through the whole application."""

import contextlib
import itertools
import re
import resource
import sqlite3
import time
from pathlib import Path

import pytest
import web
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from app import urls
from app.account_pages import browser_of
from app.accounts import require_editor
from app.models import _hasher
from app.transactions.request import RequestTransaction
from app.web import sessions
from app.web.redirects import see_other
from tests.http_client import FORM, Browser, add_user, site_client
from tests.threads import in_threads

PASSWORD = "open sesame"
WRONG = "There is nobody with this name and password."


class Edit:
    """A page that only editors may use."""

    def GET(self):
        name = require_editor().name
        web.header("Content-Type", "text/plain")
        return f"{name} may"

    POST = GET


class Fail:
    """What another application may do wrong: it raises, or returns with this status."""

    def POST(self, status):
        sessions.begin(sessions.session().account)
        if status:
            web.ctx.status = f"{status} Wrong"
            web.header("Content-Type", "text/plain")
            return ""
        raise ZeroDivisionError


class Flash:
    """A form of another application, which tells what it has done."""

    def POST(self):
        sessions.flash("x" * 3000)
        raise see_other("/")


OWN_URLS = ("/edit", Edit, "/fail/(.*)", Fail, "/flash", Flash)


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.http_client.urls", (*urls, *OWN_URLS))
    with site_client(tmp_path) as client:
        yield client


@pytest.fixture
def browser(client, tmp_path):
    """The browser of Ada, an editor, who is not signed in yet."""
    add_user(tmp_path, "ada", PASSWORD, "editor")
    return Browser(client, HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")


def query(folder, statement, *values):
    """Execute a statement as another process does; returns the rows."""
    with contextlib.closing(sqlite3.connect(folder / "site.db")) as raw, raw:
        return raw.execute(statement, values).fetchall()


def is_signed_in(browser):
    return browser.get("/account").status == 200


def count_verified(monkeypatch, then=lambda: None):
    """Return a list that grows with each password that is checked; `then()` is called before."""
    counted = []
    stock = PasswordHasher.verify

    def verify(hasher, hash, password):
        then()
        counted.append(hash)
        return stock(hasher, hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    return counted


@contextlib.contextmanager
def memory_left(size):
    """Leave this process `size` bytes of memory to take."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_who_signs_in_is_led_back_and_named_on_every_page(browser):
    assert 'href="/sign-in">Sign in' in browser.get("/").text
    back = browser.get("/account", "x=1%2C2").headers["Location"]
    assert back == "/sign-in?next=%2Faccount%3Fx%3D1%252C2"
    form = browser.get("/sign-in", back.partition("?")[2])
    following = re.search('name="next" value="([^"]*)"', form.text)[1]
    answer = browser.sign_in("ada", PASSWORD, next=following)
    assert (answer.status, answer.headers["Location"]) == (303, "/account?x=1%2C2")
    text = browser.get("/").text
    assert 'href="/account">ada</a>' in text and "Sign out" in text and "Sign in" not in text
    assert browser.get("/sign-in", "next=/view").headers["Location"] == "/view"


def test_after_a_sign_out_the_token_is_worth_nothing(browser, tmp_path):
    browser.sign_in("ada", PASSWORD)
    before = dict(browser.jar)
    assert is_signed_in(browser)
    answer = browser.post("/sign-out")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert "session" not in browser.jar
    browser.jar = before
    assert not is_signed_in(browser)
    assert query(tmp_path, "SELECT * FROM web_session") == []


def test_a_page_of_ones_account_is_not_shown_again_by_the_back_button(browser):
    browser.sign_in("ada", PASSWORD)
    assert browser.get("/account").headers["Cache-Control"] == "no-store"


def test_a_wrong_name_and_a_wrong_password_are_told_alike_and_both_verified(browser, monkeypatch):
    browser.sign_in("nobody", PASSWORD)
    counted = count_verified(monkeypatch)
    answers = [browser.sign_in(name, "wrong word") for name in ("ada", "bob", "\x00", "A" * 101)]
    assert len(counted) == 4
    assert {answer.status for answer in answers} == {422}
    first, second = (
        re.sub('value="(ada|bob)"', "", answer.text) for answer in (answers[0], answers[1])
    )
    assert first == second and WRONG in first
    assert 'name="name" value="ada"' in answers[0].text
    assert "wrong word" not in first
    assert "Set-Cookie" not in answers[0].headers


def test_no_lock_is_held_while_a_password_is_checked_or_hashed(browser, tmp_path, monkeypatch):
    def write():
        with contextlib.closing(sqlite3.connect(tmp_path / "site.db", timeout=0)) as raw, raw:
            raw.execute("UPDATE users SET fullname = fullname")

    counted = count_verified(monkeypatch, write)
    stock = PasswordHasher.hash
    monkeypatch.setattr(
        PasswordHasher, "hash", lambda self, password: write() or stock(self, password)
    )
    assert browser.sign_in("ada", PASSWORD).status == 303
    assert change(browser, PASSWORD, "another one").status == 303
    assert len(counted) == 2


def test_a_hash_of_lesser_parameters_is_replaced_at_the_sign_in(browser, tmp_path):
    lesser = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    query(tmp_path, "UPDATE users SET password = ?", lesser)
    assert browser.sign_in("ada", "not this").status == 422
    [(stored,)] = query(tmp_path, "SELECT password FROM users WHERE name = 'ada'")
    assert stored == lesser
    for _ in range(2):
        assert browser.sign_in("ada", PASSWORD).status == 303
    [(stored, version)] = query(tmp_path, "SELECT password, version FROM users WHERE name = 'ada'")
    assert not _hasher.check_needs_rehash(stored)
    assert version == 1


def test_five_failures_stop_all_tries_for_a_name_and_no_other(browser, tmp_path):
    add_user(tmp_path, "bob", PASSWORD)
    for name in ("ada", "nobody"):
        assert [browser.sign_in(name, "wrong").status for _ in range(6)] == [422] * 5 + [429]
        answer = browser.sign_in(name, PASSWORD)
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 900
        assert "Too many attempts" in answer.text and f'value="{name}"' in answer.text
    assert browser.sign_in("bob", PASSWORD).status == 303
    query(tmp_path, "UPDATE failure SET at = at - 900")
    assert browser.sign_in("ada", PASSWORD).status == 303


def test_failures_by_one_address_stop_all_its_tries(client, browser, tmp_path):
    for address, other in (("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1")):
        near = address if "." in address else "2001:db8::ffff:1"
        query(tmp_path, "DELETE FROM failure")
        tried = Browser(client, REMOTE_ADDR=address)
        statuses = [tried.sign_in(f"n{number // 4}", "wrong").status for number in range(21)]
        assert statuses == [422] * 20 + [429]
        assert Browser(client, REMOTE_ADDR=near).sign_in("ada", PASSWORD).status == 429
        assert Browser(client, REMOTE_ADDR=other).sign_in("ada", PASSWORD).status == 303


def test_tries_at_the_same_time_are_all_counted(client, browser):
    def tries():
        mine = Browser(client)
        return [mine.sign_in("ada", "wrong").status for _ in range(4)]

    statuses = sum(in_threads(*[tries] * 4), [])
    assert sorted(statuses) == [422] * 5 + [429] * 11


def test_who_signs_in_at_last_has_all_tries_again(browser):
    for _ in range(2):
        assert [browser.sign_in("ada", "wrong").status for _ in range(4)] == [422] * 4
        assert browser.sign_in("ada", PASSWORD).status == 303


def test_what_is_stored_of_failures_tells_no_name(browser, tmp_path):
    browser.sign_in("a password in the wrong field", "wrong")
    for row in query(tmp_path, "SELECT * FROM failure"):
        assert "password" not in str(row)


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example",
        "/\\evil.example",
        "\\evil",
        "https://evil.example/",
        "javascript:alert(1)",
        "evil",
        "",
        "/a\r\nSet-Cookie: x=1",
        "/\tb",
        "/a\\b",
        "/ä",
    ],
)
def test_nobody_is_led_to_another_site(browser, back):
    assert browser.sign_in("ada", PASSWORD, next=back).headers["Location"] == "/"


def forms():
    return [
        ("/sign-in", {"name": "ada", "password": PASSWORD}),
        ("/sign-out", {}),
        ("/account/password", {"current": PASSWORD, "new": "x" * 9, "again": "x" * 9}),
        ("/account/sessions/1/end", {}),
    ]


@pytest.mark.parametrize(("path", "fields"), forms(), ids=[path for path, _ in forms()])
def test_a_forged_form_does_nothing(browser, client, path, fields, tmp_path):
    browser.sign_in("ada", PASSWORD)
    other = Browser(client)
    other.get("/sign-in")
    before = query(tmp_path, "SELECT id, digest FROM web_session")
    for forged in (
        browser.post(path, {**fields, "token": other.jar["form"]}),
        browser.post(path, {**fields, "token": ""}),
        browser.post(path, {**fields, "token": "-"}),
        browser.post(path, fields, HTTP_SEC_FETCH_SITE="cross-site"),
        browser.post(path, fields, HTTP_SEC_FETCH_SITE="same-site"),
        browser.post(path, fields, HTTP_ORIGIN="http://evil.example"),
        browser.post(path, fields, HTTP_ORIGIN="null"),
    ):
        assert forged.status == 403
    browser.jar.pop("form")
    for token in ("", "-"):
        body = f"token={token}".encode()
        session = f"session={browser.jar['session']}"
        answer = client.request("POST", path, body, CONTENT_TYPE=FORM, HTTP_COOKIE=session)
        assert answer.status == 403
    assert query(tmp_path, "SELECT id, digest FROM web_session") == before
    assert is_signed_in(browser)


def test_a_form_of_our_own_page_is_taken(browser):
    at = {"HTTP_HOST": "site.example:8080"}
    origin = "http://site.example:8080"
    assert browser.post("/sign-out", HTTP_SEC_FETCH_SITE="same-origin").status == 303
    assert browser.post("/sign-out", HTTP_ORIGIN=origin, **at).status == 303


def test_a_form_that_was_open_while_one_signed_in_again_can_be_sent(browser):
    token = re.search('name="token" value="([^"]*)"', browser.get("/sign-in").text)[1]
    browser.sign_in("ada", PASSWORD)
    assert browser.post("/sign-out", {"token": token}).status == 303


def change(browser, current, new, again=None):
    fields = {"current": current, "new": new, "again": new if again is None else again}
    return browser.post("/account/password", fields)


def test_a_changed_password_ends_all_other_sessions(browser, client):
    other = Browser(client)
    for one in (browser, other):
        one.sign_in("ada", PASSWORD)
    stolen = Browser(client)
    stolen.jar = dict(browser.jar)
    answer = change(browser, PASSWORD, "another one")
    assert (answer.status, answer.headers["Location"]) == (303, "/account")
    assert [is_signed_in(one) for one in (browser, other, stolen)] == [True, False, False]
    assert other.sign_in("ada", PASSWORD).status == 422
    assert other.sign_in("ada", "another one").status == 303


def test_a_password_that_a_program_changes_ends_all_sessions_too(browser, client, tmp_path):
    browser.sign_in("ada", PASSWORD)
    [(id,)] = query(tmp_path, "SELECT id FROM users WHERE name = 'ada'")
    assert client.send("PATCH", f"/api/users/{id}", {"fullname": "Ada"}).status == 200
    assert is_signed_in(browser)
    assert client.send("PATCH", f"/api/users/{id}", {"password": "another one"}).status == 200
    assert not is_signed_in(browser)


def test_the_change_of_a_password_is_told_once(browser):
    browser.sign_in("ada", PASSWORD)
    change(browser, PASSWORD, "another one")
    # The server leaves out its body, so nobody has seen it.
    assert browser.get("/account", method="HEAD").status == 200
    assert "The password is changed." in browser.get("/account").text
    assert "The password is changed." not in browser.get("/account").text


@pytest.mark.parametrize(
    ("current", "new", "again", "field", "fault"),
    [
        ("wrong", "another one", "another one", "current", "is not your password"),
        (PASSWORD, "shorter", "shorter", "new", "must have at least 8 characters"),
        (PASSWORD, "a\x00bcdefgh", "a\x00bcdefgh", "new", "must not contain control characters"),
        (PASSWORD, "x" * 1025, "x" * 1025, "new", "at most 1024"),
        (PASSWORD, "another one", "another two", "again", "is not the new password"),
    ],
)
def test_a_wrong_change_is_told_beside_its_field(browser, current, new, again, field, fault):
    browser.sign_in("ada", PASSWORD)
    answer = change(browser, current, new, again)
    assert answer.status == 422
    assert re.search(f'<span class="error" id="{field}-fault">[^<]*{fault}', answer.text)
    assert f'aria-describedby="{field}-fault"' in answer.text
    assert new not in answer.text and PASSWORD not in answer.text
    browser.post("/sign-out")
    assert browser.sign_in("ada", PASSWORD).status == 303


def test_failures_at_the_change_of_a_password_count_too(browser):
    browser.sign_in("ada", PASSWORD)
    statuses = [change(browser, "wrong", "another one").status for _ in range(6)]
    assert statuses == [422] * 5 + [429]
    assert change(browser, PASSWORD, "another one").status == 429


def test_who_is_signed_out_changes_no_password(browser):
    answer = change(browser, PASSWORD, "another one")
    assert answer.status == 403 and "You are signed out" in answer.text
    assert browser.sign_in("ada", PASSWORD).status == 303


def test_a_password_that_is_changed_by_a_double_click_is_said_to_be_changed(browser):
    browser.sign_in("ada", PASSWORD)
    before = dict(browser.jar)
    change(browser, PASSWORD, "another one")
    browser.jar = before
    answer = change(browser, PASSWORD, "another one")
    assert answer.status == 403 and "the password is changed" in answer.text
    assert browser.sign_in("ada", "another one").status == 303


def test_a_password_is_changed_together_with_all_that_is_told_of_it(browser, tmp_path):
    browser.sign_in("ada", PASSWORD)
    query(
        tmp_path,
        "CREATE TRIGGER no_more BEFORE UPDATE OF data ON web_session "
        "BEGIN SELECT RAISE(ABORT, 'no more'); END",
    )
    assert change(browser, PASSWORD, "another one").status == 500
    assert is_signed_in(browser)
    assert browser.sign_in("ada", PASSWORD).status == 303


def test_guesses_of_others_do_not_hinder_the_change_of_a_password(browser, client):
    browser.sign_in("ada", PASSWORD)
    other = Browser(client, REMOTE_ADDR="192.0.2.1")
    assert [other.sign_in("ada", "wrong").status for _ in range(6)] == [422] * 5 + [429]
    assert change(browser, PASSWORD, "another one").status == 303


def test_a_password_that_could_not_be_checked_is_not_told_to_be_wrong(browser, tmp_path):
    """Such as where memory is short. The owner must not count as somebody who guesses."""
    gibibyte = "$argon2id$v=19$m=1048576,t=2,p=1$c29tZXNhbHQxMjM$" + "A" * 43
    query(tmp_path, "UPDATE users SET password = ? WHERE name = 'ada'", gibibyte)
    browser.get("/sign-in")
    with memory_left(500 * 2**20):
        assert browser.sign_in("ada", PASSWORD).status == 500
    assert query(tmp_path, "SELECT * FROM failure") == []


def test_a_user_with_no_hash_signs_in_by_no_password(browser, tmp_path):
    query(tmp_path, "UPDATE users SET password = '!' WHERE name = 'ada'")
    assert [browser.sign_in("ada", guess).status for guess in ("!", "")] == [422, 422]


def test_messages_that_nobody_looks_at_do_not_fill_a_session(browser):
    browser.sign_in("ada", PASSWORD)
    assert [browser.post("/flash").status for _ in range(25)] == [303] * 25
    assert 'class="flash"' in browser.get("/account").text


def test_a_wrong_form_shows_a_message_that_waits(browser):
    browser.sign_in("ada", PASSWORD)
    browser.post("/flash")
    answer = change(browser, "wrong", "another one")
    assert answer.status == 422 and 'class="flash"' in answer.text


def test_a_long_address_to_come_back_to_is_left_out(browser):
    back = browser.get("/account", "x=" + "%26" * 2600).headers["Location"]
    assert back == "/sign-in"
    assert (
        browser.get("/account", "x=" + "%26" * 600).headers["Location"].startswith(f"{back}?next=")
    )
    assert browser.sign_in("ada", PASSWORD, next="/" + "x" * 100_000).headers["Location"] == "/"


def test_the_list_tells_where_one_is_signed_in(browser, client):
    other = Browser(client, HTTP_USER_AGENT="<b>Tool", REMOTE_ADDR="192.0.2.7")
    browser.sign_in("ada", PASSWORD)
    other.sign_in("ada", PASSWORD)
    text = browser.get("/account/sessions").text
    assert text.count("<tr>") == 3
    assert "Firefox, Linux" in text and "&lt;b&gt;Tool" in text and "192.0.2.7" in text
    assert text.count("this browser, now") == 1
    assert re.search(r'<time datetime="20\d\d-[^"]*\+00:00">20\d\d-\d\d-\d\d \d\d:\d\d UTC', text)


def test_each_session_can_be_ended(browser, client, tmp_path):
    other = Browser(client)
    browser.sign_in("ada", PASSWORD)
    other.sign_in("ada", PASSWORD)
    mine, others = query(tmp_path, "SELECT id FROM web_session ORDER BY id")
    answer = browser.post(f"/account/sessions/{others[0]}/end")
    assert (answer.status, answer.headers["Location"]) == (303, "/account/sessions")
    assert "The session is ended." in browser.get("/account/sessions").text
    assert [is_signed_in(one) for one in (browser, other)] == [True, False]
    # A second click does no harm.
    again = browser.post(f"/account/sessions/{others[0]}/end")
    assert again.headers["Location"] == "/account/sessions"
    assert "The session is ended." not in browser.get("/account/sessions").text
    for _ in range(2):
        assert browser.post(f"/account/sessions/{mine[0]}/end").headers["Location"] == "/"
        assert not is_signed_in(browser)


def test_nobody_ends_the_session_of_another(browser, client, tmp_path):
    add_user(tmp_path, "bob", PASSWORD)
    bob = Browser(client)
    browser.sign_in("ada", PASSWORD)
    bob.sign_in("bob", PASSWORD)
    for id in (1, 9, 2**63, "9" * 30):
        assert bob.post(f"/account/sessions/{id}/end").headers["Location"] == "/account/sessions"
    assert is_signed_in(browser)
    assert "The session is ended." not in bob.get("/account/sessions").text


def test_a_deleted_user_is_signed_out(browser, client, tmp_path):
    browser.sign_in("ada", PASSWORD)
    [(id,)] = query(tmp_path, "SELECT id FROM users WHERE name = 'ada'")
    assert client.send("DELETE", f"/api/users/{id}").status == 204
    assert query(tmp_path, "SELECT * FROM web_session") == []
    query(tmp_path, "UPDATE users SET name = 'ada'  WHERE id = 1")
    assert not is_signed_in(browser)


def test_only_editors_may_edit_and_that_from_one_request_to_the_next(browser, tmp_path):
    assert browser.get("/edit").headers["Location"] == "/sign-in?next=%2Fedit"
    answer = browser.post("/edit")
    assert answer.status == 403 and "You are signed out. Nothing was changed." in answer.text
    browser.sign_in("ada", PASSWORD)
    assert browser.get("/edit").text == browser.post("/edit").text == "ada may"
    query(tmp_path, "UPDATE users SET role = 'reader'")
    answer = browser.get("/edit")
    assert answer.status == 403 and "Only editors may do this" in answer.text
    assert 'href="/account">ada</a>' in answer.text


def test_a_request_that_fails_leaves_one_signed_in_as_before(browser):
    browser.sign_in("ada", PASSWORD)
    before = dict(browser.jar)
    for status in ("", "500", "503"):
        answer = browser.post(f"/fail/{status}")
        assert (answer.status, answer.cookies) == (int(status or 500), [])
        assert browser.jar == before and is_signed_in(browser)


def test_an_error_page_asks_no_database_who_is_signed_in(browser):
    assert 'href="/sign-in">Sign in' in browser.get("/nowhere").text
    browser.sign_in("ada", PASSWORD)
    assert 'href="/account">Account</a>' in browser.get("/nowhere").text


def test_by_https_the_cookies_are_this_hosts_alone(client, tmp_path):
    add_user(tmp_path, "ada", PASSWORD)
    secure = Browser(client, **{"wsgi.url_scheme": "https"})
    [form] = secure.get("/sign-in").cookies
    secure.jar["form"] = secure.jar["__Host-form"]
    [session] = secure.sign_in("ada", PASSWORD).cookies
    for cookie, name in ((form, "__Host-form="), (session, "__Host-session=")):
        assert cookie.startswith(name)
        attributes = cookie.split("; ")[1:]
        assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]
    assert is_signed_in(secure)
    # Another host of the domain could have set this one.
    secure.jar["session"] = secure.jar.pop("__Host-session")
    assert not is_signed_in(secure)


def test_below_a_prefix_all_stays_there_and_its_cookie_is_no_other_sites(client, tmp_path):
    add_user(tmp_path, "ada", PASSWORD)
    wiki = Browser(client, SCRIPT_NAME="/wiki/of us")
    [form] = wiki.get("/sign-in").cookies
    assert form.startswith("form-wiki-of-us=") and "; Path=/;" in form
    wiki.jar["form"] = wiki.jar["form-wiki-of-us"]
    answer = wiki.sign_in("ada", PASSWORD, next="/account")
    assert answer.headers["Location"] == "/wiki/of%20us/account"
    assert is_signed_in(wiki)
    other = Browser(client)
    other.jar = dict(wiki.jar)
    assert not is_signed_in(other)


def test_an_expired_session_is_no_session(browser, tmp_path):
    for column, days in (("seen", 7), ("begun", 30)):
        browser.sign_in("ada", PASSWORD)
        assert is_signed_in(browser)
        statement = (
            f"UPDATE web_session SET {column} = ? WHERE id = (SELECT max(id) FROM web_session)"
        )
        query(tmp_path, statement, int(time.time()) - days * 24 * 3600)
        assert not is_signed_in(browser)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/140.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (iPhone) Version/19.0 Mobile/15 Safari/604.1", "Safari, iPhone"),
        ("curl/8.1", "curl/8.1"),
        ("", "unknown"),
    ],
)
def test_a_browser_has_the_name_that_people_know(agent, name):
    assert browser_of(agent) == name


LATIN = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"))


@pytest.fixture(scope="module")
def lasting_client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accounts")
    with site_client(folder) as client:
        add_user(folder, "grace", PASSWORD)
        yield client


@effort(deadline=None, max_examples=100)
@given(cookie=LATIN, agent=LATIN, address=LATIN, query=LATIN, origin=LATIN)
def test_no_header_is_a_500(lasting_client, cookie, agent, address, query, origin):
    for sent in (cookie, f"session={cookie}", f"form={cookie}; session={'a' * 43}"):
        environ = {"HTTP_USER_AGENT": agent, "REMOTE_ADDR": address, "HTTP_ORIGIN": origin}
        environ["HTTP_COOKIE"] = sent
        for path in ("/sign-in", "/account"):
            assert lasting_client.get(path, query, **environ).status in (200, 303, 400)
        answer = lasting_client.request(
            "POST", "/sign-out", b"token=x", CONTENT_TYPE=FORM, **environ
        )
        assert answer.status == 403


# Each example has another address, because one address would be told to wait.
addresses = itertools.count()
FIELDS = ("name", "password", "next", "current", "new", "again", "token")


@effort(deadline=None, max_examples=25)
@given(fields=st.dictionaries(st.sampled_from(FIELDS), st.text() | st.binary()))
def test_no_form_is_a_500(lasting_client, fields):
    number = next(addresses)
    address = {"REMOTE_ADDR": f"10.0.{number // 256}.{number % 256}"}
    signed_out, signed_in = Browser(lasting_client, **address), Browser(lasting_client, **address)
    assert signed_in.sign_in("grace", PASSWORD).status == 303
    for browser in (signed_out, signed_in):
        for path in ("/sign-in", "/account/password", "/account/sessions/1/end", "/sign-out"):
            answer = browser.post(path, fields)
            assert answer.status in (303, 403, 422, 429)
            assert answer.headers.get("Location", "/")[:2] != "//"


def test_the_handler_of_a_page_finds_the_user_with_two_queries(browser, monkeypatch):
    browser.sign_in("ada", PASSWORD)
    asked = []
    stock = RequestTransaction._executeRetry

    def execute(self, conn, cursor, text):
        asked.append(text)
        return stock(self, conn, cursor, text)

    monkeypatch.setattr(RequestTransaction, "_executeRetry", execute)
    assert is_signed_in(browser)
    assert len([text for text in asked if "web_session" in text]) == 1
    assert len([text for text in asked if "users" in text]) <= 1
