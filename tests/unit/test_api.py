"""The JSON API, through the whole application."""

import json

import pytest
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlobject import dberrors

from app import models
from app.models import User
from app.transactions import connection_for
from tests.contract import internals
from tests.http_client import TOKEN, site_client

METHODS = {
    "/api/users": "GET, HEAD, POST, OPTIONS",
    "/api/users/1": "GET, HEAD, PATCH, DELETE, OPTIONS",
    "/api/openapi.json": "GET, HEAD, OPTIONS",
}
ADA = {"name": "ada", "fullname": "Ada Lovelace", "password": "open sesame"}


@pytest.fixture
def client(tmp_path):
    with site_client(tmp_path) as client:
        yield client


@pytest.fixture(scope="module")
def lasting_client(tmp_path_factory):
    with site_client(tmp_path_factory.mktemp("api"), max_body=2000) as client:
        yield client


def is_problem(answer, status, *fields):
    """Assert that an answer is a problem as RFC 9457 has it, with these fields named."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json["status"], answer.json["type"]) == (status, "about:blank")
    assert answer.json["title"] and answer.json["detail"]
    assert [error["field"] for error in answer.json.get("errors", [])] == list(fields)
    return True


def names(client):
    return [user["name"] for user in client.get("/api/users").json["users"]]


def test_users_are_listed_by_id_without_passwords(client):
    answer = client.get("/api/users")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json["next"] is None
    assert [user["id"] for user in answer.json["users"]] == [1, 2, 3]
    assert all(set(user) == {"id", "name", "fullname"} for user in answer.json["users"])


def test_next_leads_through_all_pages(client):
    seen, after = [], 0
    while after is not None:
        page = client.get("/api/users", f"limit=2&after={after}").json
        seen.append([user["id"] for user in page["users"]])
        after = page["next"]
    assert seen == [[1, 2], [3]]


def test_a_full_last_page_has_no_next(client):
    assert client.get("/api/users", "limit=3").json["next"] is None


@pytest.mark.parametrize(
    "value", ["", "x", "-1", "1.0", "1e2", "+1", "٣", "%D9%A3", "1&{}=2", "9" * 5000]
)
@pytest.mark.parametrize("parameter", ["limit", "after"])
def test_a_wrong_query_parameter_is_400_with_its_name(client, parameter, value):
    query = f"{parameter}={value.format(parameter)}".encode().decode("latin-1")
    assert is_problem(client.get("/api/users", query), 400, parameter)


@pytest.mark.parametrize("limit", ["0", "1001"])
def test_a_limit_out_of_range_is_400(client, limit):
    assert is_problem(client.get("/api/users", f"limit={limit}"), 400, "limit")


def test_more_than_100_query_parameters_are_400(client):
    assert is_problem(client.get("/api/users", "&".join(["x=1"] * 101)), 400)


def test_a_created_user_is_201_with_its_location(client):
    answer = client.send("POST", "/api/users", ADA)
    assert (answer.status, answer.headers["Location"]) == (201, "/api/users/4")
    assert answer.json == {"id": 4, "name": "ada", "fullname": "Ada Lovelace"}
    assert client.get("/api/users/4").json == answer.json


def test_a_patch_changes_the_given_fields_only(client):
    client.send("POST", "/api/users", ADA)
    answer = client.send("PATCH", "/api/users/4", {"fullname": "Countess of Lovelace"})
    expected = {"id": 4, "name": "ada", "fullname": "Countess of Lovelace"}
    assert (answer.status, answer.json) == (200, expected)
    assert client.get("/api/users/4").json == expected
    assert client.send("PATCH", "/api/users/4", {}).json == expected


def test_a_password_is_hashed_on_post_and_patch(client, tmp_path):
    client.send("POST", "/api/users", ADA)
    assert stored_user(tmp_path, 4).check_password("open sesame")
    client.send("PATCH", "/api/users/4", {"password": "changed since"})
    assert stored_user(tmp_path, 4).check_password("changed since")


def test_a_password_is_as_long_here_as_on_the_pages(client):
    for method, path, sent in (("POST", "/api/users", ADA), ("PATCH", "/api/users/1", {})):
        answer = client.send(method, path, sent | {"password": "1234567"})
        fault = {"field": "password", "detail": "must have at least 8 characters"}
        assert (answer.status, answer.json["errors"]) == (422, [fault])


def stored_user(tmp_path, user_id):
    connection = connection_for(f"sqlite://{tmp_path}/site.db")
    connection.cache.clear()
    return User.get(user_id, connection=connection)


def test_the_password_is_hashed_before_the_write_lock_is_taken(client, monkeypatch):
    begun = []

    class Hasher:
        def hash(self, password):
            begun.append(internals.begun())
            return "$argon2id$not-a-real-one"

    monkeypatch.setattr(models, "_hasher", Hasher())
    assert client.send("POST", "/api/users", ADA).status == 201
    assert client.send("PATCH", "/api/users/4", {"password": "sesame, open"}).status == 200
    assert begun == [False, False]


def test_a_deleted_user_is_gone(client):
    answer = client.send("DELETE", "/api/users/2")
    assert (answer.status, answer.body) == (204, b"")
    assert is_problem(client.get("/api/users/2"), 404)
    assert is_problem(client.send("DELETE", "/api/users/2"), 404)
    assert is_problem(client.send("PATCH", "/api/users/2", {}), 404)


def test_the_id_of_a_deleted_user_is_not_given_again(client):
    client.send("DELETE", "/api/users/3")
    assert client.send("POST", "/api/users", ADA).json["id"] == 4


def test_a_name_that_is_taken_is_409_and_changes_nothing(client):
    client.send("POST", "/api/users", ADA)
    assert is_problem(client.send("POST", "/api/users", ADA), 409, "name")
    before = client.get("/api/users").json
    answer = client.send("PATCH", "/api/users/1", {"fullname": "New", "name": "ada"})
    assert is_problem(answer, 409, "name")
    assert client.get("/api/users").json == before


def test_a_patch_may_contain_the_user_s_own_name(client):
    client.send("POST", "/api/users", ADA)
    assert client.send("PATCH", "/api/users/4", ADA).status == 200


@pytest.mark.parametrize(
    "user_id",
    ["0", "999", "x", "", "-1", "1.0", "1 ", "1\n", "٣", "9223372036854775807",
     "9223372036854775808", "18446744073709551617", "9" * 5000, "%31", "\0", "\xff"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE"])
def test_an_id_that_no_user_has_is_404(client, method, user_id):
    path = f"/api/users/{user_id}".encode().decode("latin-1")
    assert is_problem(client.send(method, path, {}), 404)


def test_writing_is_off_without_a_token_in_the_settings(tmp_path):
    with site_client(tmp_path, api_token=None) as client:
        for method, path in [("POST", ""), ("PATCH", "/1"), ("DELETE", "/1")]:
            answer = client.send(method, "/api/users" + path, ADA)
            assert is_problem(answer, 403) and "SITE_API_TOKEN" in answer.json["detail"]
        assert len(names(client)) == 3


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x",
               f"Bearer {TOKEN[:-1]}", "Bearer \xff\xfe"],
)  # fmt: skip
def test_writing_without_the_token_is_401(client, header):
    for method, path in [("POST", ""), ("PATCH", "/1"), ("DELETE", "/1")]:
        answer = client.send(method, "/api/users" + path, ADA, HTTP_AUTHORIZATION=header)
        assert is_problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert len(names(client)) == 3


def test_the_name_of_the_scheme_is_case_insensitive(client):
    answer = client.send("POST", "/api/users", ADA, HTTP_AUTHORIZATION=f"bEARER {TOKEN}")
    assert answer.status == 201


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b"null", b'"x"', b"{'name': 1}", b'{"name": NaN}', b"\xff\xfe",
     b'{"name": Infinity}', b'{"name": -Infinity}', b"[" * 100_000, b'{"a":' * 100_000,
     b'{"name": 1' + b"0" * 5000 + b"}", b'\xef\xbb\xbf{}', b'{"name": "\xed\xa0\x80"}',
     b'{"name": "a\0b"}', '{"name": "ä"}'.encode("utf-16"), b"{} {}"],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_400(client, body):
    assert is_problem(client.send("POST", "/api/users", body), 400)
    assert is_problem(client.send("PATCH", "/api/users/1", body), 400)


@pytest.mark.parametrize("body", [b'{"name": "a", "name": "b"}', b'{"x": {"name": 1, "name": 2}}'])
def test_a_name_that_stands_twice_in_the_json_is_400(client, body):
    assert is_problem(client.send("POST", "/api/users", body), 400, "name")


@pytest.mark.parametrize("field", ["name", "fullname", "password"])
@pytest.mark.parametrize(
    "value", [None, 1, 1.5, 1e999, True, [], {}, "", "  ", "x" * 1025, "a\0b", "\ud800", "\x1b"]
)
def test_a_wrong_field_is_refused_by_name(client, field, value):
    body = json.dumps(ADA | {field: value}).replace("Infinity", "1e999").encode()
    assert is_problem(client.send("POST", "/api/users", body), 422, field)
    body = json.dumps({field: value}).replace("Infinity", "1e999").encode()
    assert is_problem(client.send("PATCH", "/api/users/1", body), 422, field)


@pytest.mark.parametrize("field", ["id", "Name", "", "\ud800", "x" * 200])
def test_an_unknown_field_is_422_and_shortened_in_the_answer(client, field):
    answer = client.send("POST", "/api/users", ADA | {field: 1})
    assert is_problem(answer, 422, field if len(field) <= 100 else field[:100] + "…")


def test_of_many_unknown_fields_some_are_named(client):
    fields = {f"field{number}": 1 for number in range(60_000)}
    answer = client.send("POST", "/api/users", ADA | fields)
    assert is_problem(answer, 422, *(f"field{number}" for number in range(20)))
    assert answer.json["detail"].endswith("; and 59980 more")
    assert len(answer.text) < 10_000


def test_every_missing_field_is_named(client):
    answer = client.send("POST", "/api/users", {})
    assert is_problem(answer, 422, "name", "fullname", "password")


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "json", ";"]
)
def test_another_content_type_is_415(client, content_type):
    answer = client.send("POST", "/api/users", ADA, CONTENT_TYPE=content_type)
    assert is_problem(answer, 415)
    assert answer.headers["Accept"] == "application/json"


def test_a_content_type_may_have_parameters_and_capitals(client):
    content_type = "Application/JSON; charset=utf-8"
    assert client.send("POST", "/api/users", ADA, CONTENT_TYPE=content_type).status == 201


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_413_and_one_at_the_limit_is_not(tmp_path, chunked):
    with site_client(tmp_path, max_body=200) as client:
        body = json.dumps(ADA).encode()
        at_limit = body + b" " * (200 - len(body))
        answer = client.send("POST", "/api/users", at_limit + b" ", chunked=chunked)
        assert is_problem(answer, 413)
        assert client.send("POST", "/api/users", at_limit, chunked=chunked).status == 201


def test_no_more_than_the_limit_and_one_byte_is_read_of_a_body_in_chunks(tmp_path):
    class Endless:
        read_so_far = 0

        def read(self, size=None):
            assert size is not None and size >= 0
            self.read_so_far += size
            return b" " * size

        readline = readlines = __iter__ = read

    stream = Endless()
    with site_client(tmp_path, max_body=200) as client:
        answer = client.send("POST", "/api/users", b"", chunked=True, **{"wsgi.input": stream})
    assert is_problem(answer, 413)
    assert stream.read_so_far == 201


@pytest.mark.parametrize(
    "length, status", [("9" * 30, 413), ("1000000000", 413), ("300", 400), ("x", 400), ("٣", 400)]
)
def test_a_wrong_content_length_is_a_clean_error(tmp_path, length, status):
    with site_client(tmp_path, check=None) as client:
        assert is_problem(client.send("POST", "/api/users", ADA, CONTENT_LENGTH=length), status)


def test_a_body_that_ends_with_an_error_of_the_server_is_400(client):
    class Cut:
        def read(self, size=None):
            raise OSError("request data read error")

        readline = readlines = __iter__ = read

    answer = client.send("POST", "/api/users", ADA, **{"wsgi.input": Cut()})
    assert is_problem(answer, 400)


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND", "post", "Get", "LIMIT"])
@pytest.mark.parametrize("path, methods", METHODS.items())
def test_an_unknown_method_is_405_with_the_known_ones(client, method, path, methods):
    answer = client.send(method, path, ADA)
    assert is_problem(answer, 405) and answer.headers["Allow"] == methods


@pytest.mark.parametrize("path, methods", METHODS.items())
def test_options_names_the_methods(client, path, methods):
    answer = client.request("OPTIONS", path)
    assert (answer.status, answer.body, answer.headers["Allow"]) == (204, b"", methods)


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/users/1/2"])
def test_a_missing_address_below_api_is_a_404_problem(client, path):
    assert is_problem(client.get(path), 404)


def test_head_has_the_status_and_headers_of_get(client):
    for path in ("/api/users", "/api/users/1", "/api/users/99", "/api/openapi.json"):
        got, headed = client.get(path), client.request("HEAD", path)
        assert (headed.status, headed.headers) == (got.status, got.headers)


def test_an_error_of_the_handler_is_a_500_problem_that_shows_nothing_of_it(client, monkeypatch):
    def broken(after, limit):
        raise RuntimeError("the secret of the cellar")

    monkeypatch.setattr("app.models.User.page", broken)
    answer = client.get("/api/users")
    assert is_problem(answer, 500) and b"cellar" not in answer.body


def test_a_conflict_that_lasts_is_a_503_problem_with_retry_after(tmp_path):
    with site_client(tmp_path, attempts=1) as client:
        other = connection_for(f"sqlite://{tmp_path}/site.db").transaction()
        User.get(1, connection=other).fullname = "held"
        try:
            answer = client.send("POST", "/api/users", ADA)
        finally:
            other.rollback()
    assert is_problem(answer, 503) and answer.headers["Retry-After"]


def test_a_lost_race_for_a_name_is_409(client, monkeypatch):
    def taken(**values):
        raise dberrors.DuplicateEntryError("UNIQUE constraint failed: users.name")

    monkeypatch.setattr("app.api.User", taken)
    assert is_problem(client.send("POST", "/api/users", ADA), 409, "name")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "fullname", "password"), JSON))


@effort(deadline=None, max_examples=200)
@given(method=st.sampled_from(["POST", "PATCH"]), body=st.binary() | JSON | FIELDS)
@example(
    "POST", {"name": "'; DROP TABLE users; --", "fullname": "\\'%s", "password": "sesame, open"}
)
def test_no_body_is_a_500(lasting_client, method, body):
    path = "/api/users" if method == "POST" else "/api/users/1"
    answer = lasting_client.send(method, path, body)
    assert answer.status in (200, 201, 400, 409, 413, 422), answer
    assert len(lasting_client.get("/api/users").json["users"]) >= 3


LATIN = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"))


@effort(deadline=None, max_examples=200)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"]),
    path=LATIN,
    query=LATIN,
    authorization=LATIN,
    content_type=LATIN,
)
def test_no_address_or_header_is_a_500(
    lasting_client, method, path, query, authorization, content_type
):
    for place in ("/api/users", f"/api/users/{path}"):
        answer = lasting_client.request(
            method,
            place,
            b"{}",
            query,
            HTTP_AUTHORIZATION=authorization,
            CONTENT_TYPE=content_type,
        )
        assert answer.status in (200, 204, 400, 401, 404, 405), answer
