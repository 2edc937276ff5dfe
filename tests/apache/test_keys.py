"""Idempotency-Key over several processes: a request sent many times at once is done once."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.apache.server import TOKEN, apache

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mariadb"])
def site(request):
    settings = {}
    if request.param != "sqlite":
        server = request.getfixturevalue(f"{request.param}_server")
        settings["DATABASE_URI"] = server.new_database()
    with apache(processes=2, threads=5, settings=settings) as running:
        yield running


def names(site):
    page = httpx.get(f"{site.url}/api/users?limit=1000").json()
    return [user["name"] for user in page["users"]]


def test_a_post_sent_ten_times_at_once_is_done_once(site):
    before = len(names(site))

    def post(number):
        user = {"name": f"n{number}", "fullname": "once", "password": "open sesame"}
        headers = HEADERS | {"Idempotency-Key": f'"key {number}"'}
        answer = httpx.post(f"{site.url}/api/users", json=user, headers=headers, timeout=90)
        return number, answer.status_code, answer.content, answer.headers.get("ETag")

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(post, [number for number in range(8) for _ in range(10)]))
    assert {status for _, status, _, _ in answers} == {201}
    assert len(set(answers)) == 8
    assert len(names(site)) == before + 8


def test_of_ten_edits_of_one_state_at_once_one_succeeds(site):
    place = f"{site.url}/api/users/1"
    headers = HEADERS | {"If-Match": httpx.get(place).headers["ETag"]}

    def patch(number):
        answer = httpx.patch(place, json={"fullname": f"n{number}"}, headers=headers, timeout=90)
        return answer.status_code, number

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(patch, range(10)))
    [made] = [number for status, number in answers if status == 200]
    assert sorted(status for status, _ in answers) == [200] + [412] * 9
    assert httpx.get(place).json()["fullname"] == f"n{made}"


def test_two_headers_with_keys_are_400(site):
    headers = [*HEADERS.items(), ("Idempotency-Key", '"a"'), ("Idempotency-Key", '"b"')]
    user = {"name": "twice", "fullname": "twice", "password": "open sesame"}
    answer = httpx.post(f"{site.url}/api/users", json=user, headers=headers)
    assert answer.status_code == 400 and "twice" not in names(site)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_two_headers_with_tags_are_a_list(site):
    place = f"{site.url}/api/users/2"
    tags = [("If-Match", '"other"'), ("If-Match", httpx.get(place).headers["ETag"])]
    answer = httpx.patch(place, json={}, headers=[*HEADERS.items(), *tags])
    assert answer.status_code == 200


def test_a_304_has_no_body_and_the_connection_goes_on(site):
    with httpx.Client(base_url=site.url) as client:
        for path in ("/api/users", "/api/users/2"):
            tag = client.get(path).headers["ETag"]
            for method in ("GET", "HEAD"):
                answer = client.request(method, path, headers={"If-None-Match": tag})
                assert (answer.status_code, answer.content) == (304, b"")
                assert answer.headers["ETag"] == tag
            assert client.get(path).status_code == 200
