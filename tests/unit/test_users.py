"""The pages on which editors add, edit and delete users, through the whole application."""

import contextlib
import re
import sqlite3
from html import unescape

import pytest

from tests.http_client import Browser, add_user, site_client

PASSWORD = "correct horse"
NEW = {"name": "ada", "fullname": "Ada L", "role": "reader", "password": "battery staple"}


def fields_of(text):
    """What a browser would send of the last form of a page, without the token: Browser adds it."""
    form = text.rpartition('<form method="post"')[2]
    found = {}
    for attributes in re.findall(r"<input ([^>]*)>", form):
        name, value = (
            re.search(r'name="([^"]*)"', attributes),
            re.search(r'value="([^"]*)"', attributes),
        )
        found[name[1]] = unescape(value[1]) if value else ""
    if chosen := re.search(r"<option selected>(.*?)</option>", form):
        found["role"] = chosen[1]
    return found


def filled(browser, path, **fields):
    return fields_of(browser.get(path).text) | fields


@pytest.fixture
def client(tmp_path):
    """The site with an editor and a reader beside its three users."""
    with site_client(tmp_path) as client:
        add_user(tmp_path, "eve", PASSWORD, "editor")
        add_user(tmp_path, "rob", PASSWORD)
        yield client


def signed_in(client, name):
    browser = Browser(client)
    assert browser.sign_in(name, PASSWORD).status == 303
    return browser


@pytest.fixture
def editor(client):
    return signed_in(client, "eve")


def names(client):
    return [user["name"] for user in client.get("/api/users").json["users"]]


def values(client, id):
    user = client.get(f"/api/users/{id}").json
    return user["name"], user["fullname"]


def test_anybody_sees_a_user_and_no_way_to_change_it(client):
    text = client.get("/users/1").text
    name, fullname = values(client, 1)
    assert f"<dd>{name}</dd>" in text and f"<h1>{fullname}</h1>" in text
    assert "argon2" not in text and "/edit" not in text and "/delete" not in text


def test_an_editor_is_led_to_every_form(editor):
    assert '<a class="button" href="/users/new">' in editor.get("/").text
    text = editor.get("/users/1").text
    assert 'href="/users/1/edit"' in text and 'href="/users/1/delete"' in text


@pytest.mark.parametrize("path", ["/users/new", "/users/1/edit", "/users/1/delete"])
def test_only_an_editor_gets_a_form_and_may_send_one(client, editor, path):
    sent = filled(editor, path, **NEW)
    reader = signed_in(client, "rob")
    visitor = Browser(client)
    answer = visitor.get(path)
    assert (answer.status, answer.headers["Location"]) == (
        303,
        "/sign-in?next=" + path.replace("/", "%2F"),
    )
    assert reader.get(path).status == 403
    visitor.get("/sign-in")
    before = client.get("/api/users").json
    for browser in (visitor, reader):
        answer = browser.post(path, sent | {"token": browser.jar["form"]})
        assert answer.status == 403
    assert client.get("/api/users").json == before
    # The same fields are right ones.
    assert editor.post(path, sent).status == 303


@pytest.mark.parametrize("path", ["/users/new", "/users/1/edit", "/users/1/delete"])
def test_a_form_without_this_browsers_token_does_nothing(client, editor, path):
    before = client.get("/api/users").json
    sent = filled(editor, path, **NEW)
    for token in ("", "x", "A" * 43):
        assert editor.post(path, sent | {"token": token}).status == 403
    assert client.get("/api/users").json == before


def test_a_user_is_added_and_shown_with_a_message_once(client, editor):
    answer = editor.post("/users/new", filled(editor, "/users/new", **NEW))
    assert (answer.status, answer.headers["Location"]) == (303, "/users/6")
    assert values(client, 6) == ("ada", "Ada L")
    assert "ada is added." in editor.get("/users/6").text
    assert "ada is added." not in editor.get("/users/6").text


def test_a_form_that_is_sent_twice_adds_one_user_and_leads_to_it(client, editor):
    sent = filled(editor, "/users/new", **NEW)
    answers = [editor.post("/users/new", sent) for _ in range(2)]
    assert [answer.headers.get("Location") for answer in answers] == ["/users/6"] * 2
    assert names(client).count("ada") == 1


def test_a_form_without_its_id_is_no_second_one(client, editor):
    for name in ("ada", "bea"):
        sent = filled(editor, "/users/new", **NEW | {"name": name, "form": ""})
        assert editor.post("/users/new", sent).status == 303
    assert names(client)[-2:] == ["ada", "bea"]


# Also where all is the same: an editor must not learn that a password is the right one.
@pytest.mark.parametrize("other", [{"fullname": "Ada B"}, {"password": "another password"}, {}])
def test_a_taken_name_is_told_beside_its_field_and_the_input_stays(client, editor, other):
    editor.post("/users/new", filled(editor, "/users/new", **NEW))
    answer = editor.post("/users/new", filled(editor, "/users/new", **NEW | other))
    assert answer.status == 422
    assert '<span class="error" id="name-error">is taken by another user</span>' in answer.text
    kept = fields_of(answer.text)
    assert (kept["name"], kept["fullname"]) == ("ada", other.get("fullname", "Ada L"))
    assert kept["password"] == "" and other.get("password", NEW["password"]) not in answer.text
    assert names(client).count("ada") == 1


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("name", "", "must have a character that can be seen"),
        ("name", " \u3000 ", "must have a character that can be seen"),
        ("name", "x" * 101, "has 101 characters: at most 100 are allowed"),
        ("fullname", "a\x00b", "must not contain control characters"),
        ("role", "king", "must be one of reader, editor"),
        ("password", "short", "must have at least 8 characters"),
        ("password", "x" * 1025, "has 1025 characters: at most 1024 are allowed"),
    ],
)
def test_a_fault_stands_beside_its_field_which_names_it(client, editor, field, value, fault):
    answer = editor.post("/users/new", filled(editor, "/users/new", **NEW | {field: value}))
    assert answer.status == 422
    assert f'<span class="error" id="{field}-error">{fault}' in answer.text
    marked = re.findall(
        r'<\w+ id="(\w+)"[^>]* aria-invalid="true" aria-describedby="(.*?)"', answer.text
    )
    assert marked == [(field, f"{field}-error")]
    assert "ada" not in names(client)


def test_blanks_around_a_name_are_not_a_part_of_it(client, editor):
    editor.post("/users/new", filled(editor, "/users/new", **NEW | {"name": "  ada\u00a0"}))
    assert values(client, 6) == ("ada", "Ada L")


def test_an_edit_changes_the_fields_and_says_so(client, editor):
    sent = filled(editor, "/users/1/edit", fullname="Grace Hopper", role="editor")
    answer = editor.post("/users/1/edit", sent)
    assert (answer.status, answer.headers["Location"]) == (303, "/users/1")
    text = editor.get("/users/1").text
    assert "Grace Hopper" in text and "<dd>editor</dd>" in text and "is saved." in text
    assert "<dt>Version</dt><dd>2</dd>" in text


def test_a_name_reads_the_same_wherever_a_page_shows_it(editor):
    name = "a&b <i>\"'$x"
    assert editor.post("/users/1/edit", filled(editor, "/users/1/edit", name=name)).status == 303
    text = editor.get("/users/1").text
    for shown in ("<title>(.*?)</title>", "<dt>Name</dt><dd>(.*?)</dd>", 'status">(.*?) is saved'):
        [written] = re.findall(shown, text)
        assert unescape(written) == name and "<" not in written and '"' not in written


def test_an_edit_that_is_sent_twice_is_done_once(client, editor):
    sent = filled(editor, "/users/1/edit", fullname="Grace Hopper")
    for _ in range(2):
        assert editor.post("/users/1/edit", sent).headers.get("Location") == "/users/1"
    assert "<dt>Version</dt><dd>2</dd>" in editor.get("/users/1").text


def test_an_edit_that_changes_nothing_is_no_new_version(editor):
    assert editor.post("/users/1/edit", filled(editor, "/users/1/edit")).status == 303
    assert "<dt>Version</dt><dd>1</dd>" in editor.get("/users/1").text


def test_an_edit_of_what_another_has_changed_shows_both_and_saves_nothing(client, editor):
    mine = filled(editor, "/users/1/edit", fullname="Mine <b>")
    client.send("PATCH", "/api/users/1", {"fullname": "Theirs <i>"})
    answer = editor.post("/users/1/edit", mine)
    assert answer.status == 409
    assert (
        '<tr class="differs"><th scope="row">Full name</th>'
        "<td>Mine &lt;b&gt;</td><td>Theirs &lt;i&gt;</td></tr>"
    ) in answer.text
    assert answer.text.count("differs") == 1
    assert values(client, 1)[1] == "Theirs <i>"
    # A second click saves it, because the editor has now seen both versions.
    again = fields_of(answer.text)
    assert again["fullname"] == "Mine <b>"
    assert editor.post("/users/1/edit", again).status == 303
    assert values(client, 1)[1] == "Mine <b>"


def test_a_change_while_both_versions_are_looked_at_is_shown_again(client, editor):
    mine = filled(editor, "/users/1/edit", fullname="Mine")
    client.send("PATCH", "/api/users/1", {"fullname": "Theirs"})
    again = fields_of(editor.post("/users/1/edit", mine).text)
    client.send("PATCH", "/api/users/1", {"fullname": "Once more"})
    answer = editor.post("/users/1/edit", again)
    assert answer.status == 409 and "Once more" in answer.text
    assert values(client, 1)[1] == "Once more"


def test_a_fault_in_an_edit_is_told_and_the_version_stays(client, editor):
    sent = filled(editor, "/users/1/edit", name="eve")
    answer = editor.post("/users/1/edit", sent)
    assert answer.status == 422 and "is taken by another user" in answer.text
    assert fields_of(answer.text)["state"] == sent["state"]


@pytest.mark.parametrize("what", ["edit", "delete"])
@pytest.mark.parametrize("state", ["", "x", "1", "\0"])
def test_a_form_that_does_not_name_the_state_of_its_user_changes_nothing(editor, what, state):
    sent = filled(editor, f"/users/1/{what}", fullname="Other", state=state)
    answer = editor.post(f"/users/1/{what}", sent)
    assert answer.status == 409
    assert editor.post(f"/users/1/{what}", fields_of(answer.text)).status == 303


@pytest.mark.parametrize("what", ["edit", "delete"])
def test_a_form_of_a_state_before_a_backup_was_put_back_changes_nothing(
    client, editor, tmp_path, what
):
    """The row has the same version again."""
    sent = filled(editor, f"/users/1/{what}", name="mine")
    with contextlib.closing(sqlite3.connect(tmp_path / "site.db")) as raw, raw:
        raw.execute("UPDATE users SET fullname = 'Of the backup' WHERE id = 1")
    answer = editor.post(f"/users/1/{what}", sent)
    assert answer.status == 409 and "Of the backup" in answer.text
    assert values(client, 1)[1] == "Of the backup"


def test_a_deleted_user_is_gone_and_its_form_says_so(client, editor):
    edit, again = filled(editor, "/users/1/edit", name="x"), filled(editor, "/users/1/delete")
    answer = editor.post("/users/1/delete", again)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert "is deleted." in editor.get("/").text
    assert client.get("/api/users/1").status == 404
    for answer in (editor.get("/users/1"), editor.post("/users/1/edit", edit)):
        assert answer.status == 404
        assert "If there was one, it has been deleted." in answer.text
    # As a double click sends it.
    assert editor.post("/users/1/delete", again).headers["Location"] == "/"
    assert "deleted already" in editor.get("/").text


def test_a_user_that_another_has_changed_is_not_deleted_before_it_has_been_seen(client, editor):
    sent = filled(editor, "/users/1/delete")
    client.send("PATCH", "/api/users/1", {"fullname": "Theirs"})
    answer = editor.post("/users/1/delete", sent)
    assert answer.status == 409 and "Theirs" in answer.text
    assert client.get("/api/users/1").status == 200
    assert editor.post("/users/1/delete", fields_of(answer.text)).status == 303
    assert client.get("/api/users/1").status == 404


@pytest.mark.parametrize("id", ["0", "99", "9" * 19, "9" * 40])
def test_what_is_no_user_is_404(client, editor, id):
    for path in (f"/users/{id}", f"/users/{id}/edit", f"/users/{id}/delete"):
        assert editor.get(path).status == 404


def test_a_name_that_a_writer_without_transactions_has_taken_just_now_is_409(
    client, editor, monkeypatch
):
    """The search for the name finds nothing, and then the database refuses it."""
    monkeypatch.setattr("app.users._named", lambda name: None)
    answer = editor.post("/users/new", filled(editor, "/users/new", **NEW | {"name": "rob"}))
    assert answer.status == 409 and "is taken by another user" in answer.text
