"""The pages for people, through the whole application."""

import contextlib
import os
import re
import sqlite3

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from app.settings import ROOT
from tests.http_client import Browser, site_client

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client(tmp_path):
    with site_client(tmp_path) as client:
        yield client


@pytest.fixture(scope="module")
def lasting_client(tmp_path_factory):
    with site_client(tmp_path_factory.mktemp("pages")) as client:
        yield client


def filled_form(client):
    """Return the cookie and the token that the list's form has for a new browser."""
    answer = client.get("/")
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    return cookie, re.search('name="token" value="([^"]+)"', answer.text)[1]


def add(client, cookie, body, **environ):
    environ = {"HTTP_COOKIE": cookie, "CONTENT_TYPE": FORM} | environ
    return client.request("POST", "/add", body.encode(), **environ)


def add_users(folder, count):
    """Add users as another process does, without passwords, because hashing one takes long."""
    users = [(f"n{number}", f"Full {number}") for number in range(count)]
    with contextlib.closing(sqlite3.connect(folder / "site.db")) as raw, raw:
        query = "INSERT INTO users (name, fullname, password) VALUES (?, ?, '')"
        raw.executemany(query, users)


def test_the_start_page_lists_the_users(client):
    answer = client.get("/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    for user in client.get("/api/users").json["users"]:
        assert f">{user['name']}<" in answer.text and f">{user['fullname']}<" in answer.text
    assert "argon2" not in answer.text


def test_a_page_is_not_stored_by_caches(client):
    assert client.get("/").headers["Cache-Control"] == "no-store"
    assert client.get("/nothing").headers["Cache-Control"] == "no-store"


def test_markup_in_a_name_is_shown_as_text(client):
    evil = "<script>alert(1)</script>\"'&"
    made = client.send(
        "POST", "/api/users", {"name": evil, "fullname": evil, "password": "12345678"}
    )
    assert made.status == 201
    text = client.get("/").text
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;") == 2


def test_the_list_has_pages_of_100_users(client, tmp_path):
    add_users(tmp_path, 98)
    first = client.get("/").text
    assert first.count('<tr id="user-') == 100 and 'href="/?after=100"' in first
    assert "First page" not in first
    second = client.get("/", "after=100").text
    assert second.count('<tr id="user-') == 1 and "Next page" not in second
    assert "First page" in second


def test_a_page_after_the_last_user_says_so(client):
    assert "No more users." in client.get("/", "after=900").text


def test_an_empty_list_says_so(client):
    for number in (1, 2, 3):
        assert client.send("DELETE", f"/api/users/{number}").status == 204
    assert "No users yet." in client.get("/").text


@pytest.mark.parametrize(
    "query", ["after=", "after=x", "after=-1", "after=1&after=2", "after=9223372036854775808"]
)
def test_a_wrong_page_is_400_with_the_parameter_named(client, query):
    answer = client.get("/", query)
    assert answer.status == 400
    assert "after must be one whole number" in answer.text


def test_the_plain_text_list_is_the_recipes_without_passwords(client):
    answer = client.get("/view")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    users = client.get("/api/users").json["users"]
    assert answer.text == "".join(
        f"<User {user['id']} name={user['name']!r} fullname={user['fullname']!r}>\n"
        for user in users
    )


def test_the_button_adds_a_random_user_and_leads_to_it(client):
    cookie, token = filled_form(client)
    answer = add(client, cookie, f"token={token}")
    assert (answer.status, answer.headers["Location"]) == (303, "/#user-4")
    assert 'id="user-4"' in client.get("/").text


def test_the_button_leads_to_the_page_that_has_the_new_user(client, tmp_path):
    add_users(tmp_path, 98)
    cookie, token = filled_form(client)
    answer = add(client, cookie, f"token={token}")
    assert answer.headers["Location"] == "/?after=2#user-102"
    assert '<tr id="user-102"' in client.get("/", "after=2").text


def test_the_forms_cookie_is_out_of_reach_of_scripts_and_other_sites(client):
    attributes = client.get("/").headers["Set-Cookie"].split("; ")[1:]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert "Secure" not in attributes
    secure = client.get("/", **{"wsgi.url_scheme": "https"}).headers["Set-Cookie"]
    assert "Secure" in secure.split("; ")


def test_a_browser_gets_no_second_cookie_so_that_two_tabs_both_work(client):
    cookie, token = filled_form(client)
    assert "Set-Cookie" not in client.get("/", HTTP_COOKIE=cookie).headers
    assert add(client, cookie, f"token={token}").status == 303


def test_a_forged_form_adds_no_user(client):
    cookie, token = filled_form(client)
    _, others_token = filled_form(client)
    for sent_cookie, body in [
        (cookie, ""),
        (cookie, f"token={others_token}"),
        (cookie, f"token={token}x"),
        (cookie, "token=%00%ff"),
        ("", f"token={token}"),
        ("form=", f"token={token}"),
        ("form=", "token="),
    ]:
        answer = add(client, sent_cookie, body)
        assert (answer.status, "reload the page" in answer.text) == (403, True)
    assert len(client.get("/api/users").json["users"]) == 3


def test_a_form_of_another_content_type_is_415(client):
    cookie, token = filled_form(client)
    for content_type in ("text/plain", "multipart/form-data; boundary=x", None):
        answer = add(client, cookie, f"token={token}", CONTENT_TYPE=content_type)
        assert (answer.status, answer.headers["Accept"]) == (415, FORM)


def test_a_form_with_too_many_fields_is_400(client):
    cookie, _ = filled_form(client)
    assert add(client, cookie, "&".join("x=1" for _ in range(101))).status == 400


def test_with_the_demonstration_off_there_is_no_button_and_nothing_behind_it(tmp_path):
    with site_client(tmp_path, demo=False) as client:
        answer = client.get("/")
        assert "/add" not in answer.text and "Set-Cookie" not in answer.headers
        assert add(client, "", "token=x").status == 404


def test_the_start_page_says_what_this_is_and_leads_to_the_lab_where_that_is_on(tmp_path):
    for lab in (False, True):
        with site_client(tmp_path, lab=lab) as client:
            text = client.get("/").text
        assert "A small directory of people" in text
        assert ('href="/lab/">See in the coherency lab</a>' in text) is lab
        told = re.search(r"Answered by process (\d+), thread \d+ on [^<]+", text)
        assert (told and int(told[1])) == (os.getpid() if lab else None)


def test_the_same_form_of_the_button_adds_the_same_user(client):
    browser = Browser(client)
    form = re.search('name="form" value="(.+?)"', browser.get("/").text)[1]
    places = [browser.post("/add", {"form": form}).headers["Location"] for _ in range(2)]
    assert places == ["/#user-4"] * 2
    other = re.search('name="form" value="(.+?)"', browser.get("/").text)[1]
    assert browser.post("/add", {"form": other}).headers["Location"] == "/#user-5"


@pytest.mark.parametrize("path", ["/nothing", "/view/", "/index.php", "/é\n", "/\xff"])
def test_a_missing_page_is_a_clean_404(client, path):
    answer = client.get(path.encode().decode("latin-1"))
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (
        "<h1>Not Found</h1>" in answer.text and "There is nothing at this address." in answer.text
    )


def test_an_error_in_a_page_is_a_clean_500_that_shows_nothing_of_it(client, monkeypatch):
    def broken(listing):
        raise RuntimeError("the secret of the cellar")

    monkeypatch.setattr("app.listing.Listing.page", broken)
    answer = client.get("/")
    assert answer.status == 500
    assert "<h1>Internal Server Error</h1>" in answer.text
    assert "cellar" not in answer.text and "Traceback" not in answer.text


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("method", ["POST", "DELETE", "PROPFIND", "TRACE", "get", "Ünï"])
@pytest.mark.parametrize("path", ["/", "/view"])
def test_a_method_that_a_page_does_not_have_is_405_with_its_methods(client, method, path):
    answer = client.request(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "<h1>Method Not Allowed</h1>" in answer.text


def test_the_button_answers_post_only(client):
    answer = client.get("/add")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST, OPTIONS")


def test_head_has_the_status_and_headers_of_get(client):
    for path in ("/view", "/nothing"):
        got, headed = client.get(path), client.request("HEAD", path)
        assert (headed.status, headed.headers) == (got.status, got.headers)


def test_links_stay_below_the_place_where_the_site_is_mounted(client):
    text = client.get("/", SCRIPT_NAME="/below").text
    targets = re.findall('(?:href|action)="([^"#]+)"', text)
    assert targets and all(target.startswith("/below/") for target in targets)


def test_no_template_has_what_the_content_security_policy_forbids():
    for template in (ROOT / "app" / "templates").iterdir():
        text = template.read_text()
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=|https?://", text), (
            template
        )


LATIN = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"))


@effort(deadline=None, max_examples=150)
@given(path=LATIN, query=LATIN, cookie=LATIN)
def test_no_path_query_or_cookie_is_a_500(lasting_client, path, query, cookie):
    for place in ("/", "/" + path):
        answer = lasting_client.get(place, query, HTTP_COOKIE=cookie)
        assert answer.status in (200, 303, 400, 404, 405)


@effort(deadline=None, max_examples=150)
@given(
    body=st.binary(), cookie=LATIN, content_type=st.sampled_from([FORM, FORM + ";x", "", "a/b"])
)
def test_no_form_is_a_500(lasting_client, body, cookie, content_type):
    answer = lasting_client.request(
        "POST", "/add", body, HTTP_COOKIE=cookie, CONTENT_TYPE=content_type
    )
    assert answer.status in (403, 415)


@pytest.mark.parametrize("path", ["/", "/view", "/nowhere", "/api/users"])
def test_an_answer_declares_its_length(client, path):
    answer = client.get(path)
    assert answer.headers["Content-Length"] == str(len(answer.body))


@pytest.mark.parametrize(
    "template", sorted((ROOT / "app" / "templates").iterdir()), ids=lambda path: path.stem
)
def test_a_value_in_a_template_ends_at_the_same_place_in_every_python(template):
    """With Python 3.12 and newer, web.py takes a Unicode letter or quote after it for a part."""
    assert not re.search(r"\$[\w.]+[^\x00-\x7f]", template.read_text())
