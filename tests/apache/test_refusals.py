"""What Apache itself refuses: problem details for programs, a page for people, headers on both."""

import json

import httpx
import pytest

from tests.apache.raw import answer, ask, connect, head

JSON = "Content-Type: application/json"
TOO_MANY = ["Cookie: " + "x" * 9000]
LARGE = ["Content-Length: 3000000"]
# Refused requests, below an address for programs and below another: method, path, headers, status.
REFUSED = [
    ("GET", "/.hidden", [], 403),
    ("POST", "/users", LARGE, 413),
    ("GET", "/%00", [], 404),
]
# Requests that Apache refuses before it knows the address.
MALFORMED = [
    ("GET", "/%zz", [], 400),
    ("GET", "/../../x", [], 400),
    ("GET", "/" + "x" * 9000, [], 414),
    ("GET", "/", TOO_MANY, 400),
    ("TRACE", "/", [], 405),
    ("POST", "/", ["Transfer-Encoding: gzip"], 400),
]


def is_problem(status, headers, body):
    assert headers.get_all("Content-Type") == ["application/problem+json"]
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["title"] and problem["detail"]
    return True


def is_safe(headers):
    for name in ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"):
        assert len(headers.get_all(name)) == 1
    return headers["Server"] == "Apache"


@pytest.mark.parametrize(("method", "path", "lines", "status"), REFUSED + MALFORMED)
def test_a_refusal_below_api_is_problem_details(guarded, method, path, lines, status):
    said, headers, body, _ = ask(guarded, head(method, "/api" + path, *lines))
    assert said == status
    assert is_problem(status, headers, body) and is_safe(headers)


@pytest.mark.parametrize(("method", "path", "lines", "status"), REFUSED[:2])
def test_a_refusal_elsewhere_is_a_page_without_details(guarded, method, path, lines, status):
    said, headers, body, _ = ask(guarded, head(method, path, *lines))
    assert said == status and is_safe(headers)
    assert headers.get_content_type() == "text/html"
    assert body.startswith(b"<!doctype html><html lang=") and b"Apache" not in body


@pytest.mark.parametrize(("method", "path", "lines", "status"), MALFORMED)
def test_a_malformed_request_gets_problem_details(guarded, method, path, lines, status):
    said, headers, body, _ = ask(guarded, head(method, path, *lines))
    assert said == status
    assert is_problem(status, headers, body) and is_safe(headers)


def test_the_answer_to_trace_names_the_allowed_methods(guarded):
    headers = ask(guarded, head("TRACE", "/api/users"))[1]
    assert "GET, HEAD, POST" in headers["Allow"]


def test_a_slash_in_a_name_comes_to_the_application(guarded):
    told = httpx.get(guarded.url + "/api/users/a%2Fb")
    assert (told.status_code, told.json()["detail"]) == (404, "There is no user with this id.")
    page = httpx.get(guarded.url + "/a%2Fb")
    assert page.status_code == 404 and 'class="home"' in page.text


@pytest.mark.parametrize(
    "path", ["/static/..%2f..%2fsecret", "/static/..%2Fpages.py", "/%2e%2e%2f"]
)
def test_a_slash_in_a_name_leads_nowhere(guarded, path):
    assert httpx.get(guarded.url + path).status_code in (400, 403, 404)


def test_answers_of_the_application_stay_as_they_are(guarded):
    missing = httpx.get(guarded.url + "/missing")
    assert (missing.status_code, missing.headers["Content-Type"]) == (
        404,
        "text/html; charset=utf-8",
    )
    assert 'class="home"' in missing.text
    told = httpx.request("PURGE", guarded.url + "/api/users")
    assert (told.status_code, told.headers["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    assert told.json()["detail"] == "This address answers GET, HEAD, POST, OPTIONS only."


def test_a_body_in_chunks_above_the_limit_gets_one_answer(guarded):
    allowed = f"Authorization: Bearer {guarded.token}"
    sent = head("POST", "/api/users", JSON, allowed, "Transfer-Encoding: chunked")
    chunk = b"x" * 0x100000
    with connect(guarded) as connection:
        connection.sendall(sent)
        try:
            for _ in range(3):
                connection.sendall(b"100000\r\n" + chunk + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            # Apache may have closed it.
            pass
        status, headers, body, more = answer(connection, "POST")
    assert status == 413 and more == b""
    assert is_problem(413, headers, body)


def test_a_body_that_ends_early_is_not_taken(guarded):
    """mod_wsgi answers 500; the application has seen the end as an error."""
    allowed = f"Authorization: Bearer {guarded.token}"
    whole = b'{"name": "cut-off", "fullname": "Cut Off", "password": "long-enough-12"}'
    longer = f"Content-Length: {len(whole) + 5}"
    with connect(guarded) as connection:
        connection.sendall(head("POST", "/api/users", JSON, allowed, longer) + whole)
        connection.shutdown(1)
        status, headers, body, _ = answer(connection, "POST")
    names = {one["name"] for one in httpx.get(guarded.url + "/api/users").json()["users"]}
    assert names and "cut-off" not in names
    assert status == 500
    assert is_problem(500, headers, body)
    assert "Traceback" not in guarded.error_log()
