"""Conditional requests: which changes are done, and which answers are not sent again."""

import pytest

from tests.http_client import site_client
from tests.unit.test_api import is_problem

ADA = {"name": "ada", "fullname": "Ada Lovelace", "password": "open sesame"}


@pytest.fixture
def client(tmp_path):
    with site_client(tmp_path) as client:
        yield client


@pytest.fixture
def tag(client):
    """The entity tag of the user 1."""
    return client.get("/api/users/1").headers["ETag"]


def fullname(client):
    return client.get("/api/users/1").json["fullname"]


def test_a_change_is_done_unless_the_user_has_changed_since_it_was_read(client, tag):
    change = {"fullname": "first"}
    first = client.send("PATCH", "/api/users/1", change, HTTP_IF_MATCH=tag)
    assert (first.status, fullname(client)) == (200, "first")
    assert is_problem(
        client.send("PATCH", "/api/users/1", {"fullname": "late"}, HTTP_IF_MATCH=tag), 412
    )
    assert is_problem(client.send("DELETE", "/api/users/1", HTTP_IF_MATCH=tag), 412)
    assert fullname(client) == "first"
    again = first.headers["ETag"]
    assert again == client.get("/api/users/1").headers["ETag"] != tag
    assert client.send("DELETE", "/api/users/1", HTTP_IF_MATCH=again).status == 204


def test_a_password_that_was_changed_changes_the_tag_too(client, tag):
    """The answer does not show it, but nobody may overwrite a change of a password."""
    answer = client.send("PATCH", "/api/users/1", {"password": "sesame, open"}, HTTP_IF_MATCH=tag)
    assert answer.status == 200
    assert answer.headers["ETag"] == client.get("/api/users/1").headers["ETag"] != tag


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/api/users/1", "/api/users/99"])
def test_a_change_without_a_condition_is_428_with_the_cure(client, method, path):
    answer = client.send(method, path, {"fullname": "x"}, HTTP_IF_MATCH=None)
    assert is_problem(answer, 428) and "If-Match" in answer.json["detail"]
    assert fullname(client) != "x"


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_no_condition_helps_where_nothing_is(client, method):
    for value in ("*", '"1"'):
        answer = client.send(method, "/api/users/99", {}, HTTP_IF_MATCH=value)
        assert is_problem(answer, 404)


@pytest.mark.parametrize("value", ["*", " * ", "{}", '"a", {}', ',,"a",\t{} ,', '"a,b",{}', "{},"])
def test_one_of_several_tags_is_enough_and_a_star_matches_what_is_there(client, tag, value):
    value = value.format(tag)
    answer = client.send("PATCH", "/api/users/1", {"fullname": "new"}, HTTP_IF_MATCH=value)
    assert answer.status == 200


@pytest.mark.parametrize("value", ["W/{}", '"a"', '""', '"*"', 'W/"a", "b"', '"a\xff"'])
def test_a_weak_or_other_tag_is_412(client, tag, value):
    value = value.format(tag)
    answer = client.send("PATCH", "/api/users/1", {"fullname": "new"}, HTTP_IF_MATCH=value)
    assert is_problem(answer, 412)
    assert is_problem(client.send("DELETE", "/api/users/1", HTTP_IF_MATCH=value), 412)


@pytest.mark.parametrize(
    "value",
    ["", " ", ",", "1", "w/{}", '"', '"a" "b"', "*, {}", "{} x", '"a b"', "\xff", "x" * 8000],
)
def test_a_malformed_condition_of_a_change_is_400_with_the_cure(client, tag, value):
    value = value.format(tag)
    answer = client.send("PATCH", "/api/users/1", {"fullname": "new"}, HTTP_IF_MATCH=value)
    assert is_problem(answer, 400) and "If-Match" in answer.json["detail"]


def test_a_list_of_tags_is_read_in_time_that_does_not_explode(client):
    value = ", \t" * 2000 + "x"
    answer = client.send("PATCH", "/api/users/1", {"fullname": "new"}, HTTP_IF_MATCH=value)
    assert is_problem(answer, 400)


def test_if_none_match_prevents_a_change_of_what_it_names(client, tag):
    for value in ("*", tag, f"W/{tag}"):
        answer = client.send("PATCH", "/api/users/1", ADA, HTTP_IF_NONE_MATCH=value)
        assert is_problem(answer, 412)
    answer = client.send("PATCH", "/api/users/1", ADA, HTTP_IF_NONE_MATCH='"other"')
    assert answer.status == 200


@pytest.mark.parametrize("path", ["/api/users", "/api/users?limit=2", "/api/users/1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("value", ["{}", "W/{}", "*", '"a", {}'])
def test_what_a_client_has_already_is_304_without_a_body(client, path, method, value):
    path, _, query = path.partition("?")
    got = client.get(path, query)
    value = value.format(got.headers["ETag"])
    answer = client.request(method, path, query=query, HTTP_IF_NONE_MATCH=value)
    assert (answer.status, answer.body) == (304, b"")
    assert "Content-Type" not in answer.headers and "Content-Length" not in answer.headers
    for name in ("ETag", "Cache-Control", "Link"):
        assert answer.headers.get(name) == got.headers.get(name)
    assert got.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("value", ["", "{", '"other"', "\xff", "W/", '"a" "b"'])
def test_anything_else_is_answered_whole(client, value):
    answer = client.get("/api/users/1", HTTP_IF_NONE_MATCH=value)
    assert answer.status == 200 and answer.json["id"] == 1


def test_every_change_of_a_list_changes_its_tag(client):
    tags = [client.get("/api/users").headers["ETag"]]
    client.send("POST", "/api/users", ADA)
    tags.append(client.get("/api/users").headers["ETag"])
    client.send("PATCH", "/api/users/2", {"fullname": "new"})
    tags.append(client.get("/api/users").headers["ETag"])
    client.send("DELETE", "/api/users/4")
    tags.append(client.get("/api/users").headers["ETag"])
    assert len(set(tags)) == 4


def test_a_condition_does_not_hide_that_there_is_nothing(client):
    assert is_problem(client.get("/api/users/99", HTTP_IF_NONE_MATCH="*"), 404)


@pytest.mark.parametrize(
    "query, prefix, links",
    [
        ("", "", ["<{}>; rel=first"]),
        ("limit=3", "", ["<{}?limit=3>; rel=first"]),
        ("limit=2", "", ["<{}?limit=2>; rel=first", "<{}?limit=2&after=2>; rel=next"]),
        ("after=2&limit=1", "", ["<{}?limit=1>; rel=first", "<{}?limit=1&after=3>; rel=next"]),
        ("limit=2", "/wiki", ["<{}?limit=2>; rel=first", "<{}?limit=2&after=2>; rel=next"]),
    ],
)
def test_links_lead_to_the_first_page_and_the_next(client, query, prefix, links):
    if "after" in query:
        client.send("POST", "/api/users", ADA)
    answer = client.get("/api/users", query, SCRIPT_NAME=prefix)
    found = answer.headers["Link"].replace('"', "").split(", ")
    assert found == [link.format(f"{prefix}/api/users") for link in links]
