"""A request under an Idempotency-Key has its effect once, and the same answer each time."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import web

from app.transactions import Verdict
from app.transactions.current import current
from app.web import idempotency
from tests.contract.site import Entry, Site, database_of
from tests.http_client import site_client

KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'
ADA = {"name": "ada", "fullname": "Ada Łovelace", "password": "open sesame"}


@pytest.fixture
def client(uri, tmp_path):
    with site_client(tmp_path, uri=uri) as client:
        yield client


@pytest.fixture
def table(server, uri):
    """A function that runs SQL on the database, outside of the bundle."""
    return lambda query: server.execute(query, database_of(uri))


def post(client, body=ADA, key=KEY, **more):
    return client.send("POST", "/api/users", body, HTTP_IDEMPOTENCY_KEY=key, **more)


def names(client):
    return [user["name"] for user in client.get("/api/users").json["users"]]


def same(first, second):
    """Whether two answers are the same, with the same headers."""
    return (first.status, first.headers, first.body) == (
        second.status,
        second.headers,
        second.body,
    )


def test_the_same_request_again_gets_the_same_answer_and_does_nothing(client):
    first = post(client)
    assert (first.status, first.headers["Location"]) == (201, "/api/users/4")
    client.send("PATCH", "/api/users/4", {"fullname": "changed since"})
    assert same(post(client), first)
    assert client.get("/api/users/4").json["fullname"] == "changed since"
    assert len(names(client)) == 4


def test_a_patch_again_is_answered_as_at_first_though_its_condition_no_longer_holds(client):
    tag = client.get("/api/users/1").headers["ETag"]
    headers = {"HTTP_IF_MATCH": tag, "HTTP_IDEMPOTENCY_KEY": KEY}
    first = client.send("PATCH", "/api/users/1", {"fullname": "once"}, **headers)
    assert first.status == 200
    client.send("PATCH", "/api/users/1", {"fullname": "changed since"})
    assert same(client.send("PATCH", "/api/users/1", {"fullname": "once"}, **headers), first)
    assert client.get("/api/users/1").json["fullname"] == "changed since"


def test_the_same_fields_in_another_order_are_the_same_request(client):
    assert same(post(client), post(client, dict(reversed(ADA.items()))))


def test_another_request_under_the_key_is_422_and_does_nothing(client):
    post(client)
    for changed in ({"name": "bob"}, {"fullname": "B"}, {"password": "other horse"}):
        answer = post(client, ADA | changed)
        assert answer.status == 422 and "Idempotency-Key" in answer.json["detail"]
    others = [
        client.send("PATCH", "/api/users/4", ADA, HTTP_IDEMPOTENCY_KEY=KEY),
        post(client, QUERY_STRING="x=1"),
    ]
    assert [answer.status for answer in others] == [422, 422]
    assert len(names(client)) == 4


def test_another_key_is_another_request(client):
    post(client)
    assert post(client, key='"another"').status == 409
    assert post(client, ADA | {"name": "bob"}, key=KEY.upper()).status == 201


def test_a_key_is_free_again_after_a_request_that_was_refused(client):
    """Nothing was changed, so the client may correct it and send it under its key."""
    post(client, key='"of ada"')
    assert post(client).status == 409
    assert post(client, ADA | {"name": ""}).status == 422
    made = post(client, ADA | {"name": "bob"})
    assert made.status == 201
    assert same(post(client, ADA | {"name": "bob"}), made)
    again = {"HTTP_IDEMPOTENCY_KEY": '"of a patch"'}
    for value, status in (('"old"', 412), ("*", 200)):
        answer = client.send("PATCH", made.headers["Location"], {}, HTTP_IF_MATCH=value, **again)
        assert answer.status == status


def test_a_request_that_failed_has_left_nothing_under_its_key(client, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("app.api._written", lambda user: 1 / 0)
        assert post(client).status == 500
    assert len(names(client)) == 3
    assert post(client).status == 201


def test_a_request_that_was_run_again_stores_what_its_last_run_answered(client, monkeypatch):
    """The first run has its answer stored, and conflicts after that."""
    runs = []

    def conflicting(digest, text, store=idempotency._store):
        store(digest, text)
        runs.append(text)
        if len(runs) == 1:
            current().end_run(Verdict.CONFLICT)

    monkeypatch.setattr(idempotency, "_store", conflicting)
    first = post(client)
    assert (first.status, len(runs)) == (201, 2)
    assert same(post(client), first)
    assert len(names(client)) == 4


@pytest.mark.parametrize(
    "key",
    ["", "abc", '""', '"', '"a', '"a" ', '"a", "b"', '"a";x=1', '"a\\b"', '"a"b"', '"\xe4"',
     '"a\tb"', f'"{"x" * 256}"', '"' + "\\" * 300 + '"'],
)  # fmt: skip
def test_a_malformed_key_is_400_with_the_cure(lasting, key):
    answer = post(lasting, key=key)
    assert answer.status == 400 and "in quotes" in answer.json["detail"]
    assert len(names(lasting)) == 3


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """A client of the site on SQLite, for tests that need no other engine."""
    with site_client(tmp_path_factory.mktemp("keys")) as client:
        yield client


@pytest.mark.parametrize(
    "key", ['"x"', f'"{"x" * 255}"', '"\'; DROP TABLE users; -- %s"', '"\\"\\\\"']
)
def test_any_other_text_is_a_key(client, key):
    assert same(post(client, key=key), post(client, key=key))


def test_keys_of_two_callers_have_nothing_to_do_with_each_other(client, uri, tmp_path):
    post(client)
    with site_client(tmp_path, uri=uri, api_token="another token of sixteen") as other:
        made = other.send(
            "POST",
            "/api/users",
            ADA | {"name": "bob"},
            token="another token of sixteen",
            HTTP_IDEMPOTENCY_KEY=KEY,
        )
    assert made.status == 201


def test_the_table_holds_neither_the_key_nor_what_was_sent(client, table):
    post(client)
    [row] = table("SELECT * FROM stored_answers")
    assert "8e03978e" not in repr(row) and "sesame" not in repr(row)


def test_a_key_is_stored_for_a_day(client, table):
    post(client)
    day = idempotency.LIFETIME
    table(f"UPDATE stored_answers SET created = {int(time.time()) - day + 60}")
    assert post(client).status == 201
    assert post(client, ADA | {"name": "bob"}).status == 422
    table(f"UPDATE stored_answers SET created = {int(time.time()) - day - 1}")
    made = post(client, ADA | {"name": "bob"})
    assert made.status == 201
    assert same(post(client, ADA | {"name": "bob"}), made)


def test_expired_keys_are_deleted_some_at_a_time(client, table, monkeypatch):
    monkeypatch.setattr(idempotency, "MOST_CLEANED", 20)
    rows = ", ".join(f"('old{number}', 'x', 1)" for number in range(50))
    table(f"INSERT INTO stored_answers (key_digest, fingerprint, created) VALUES {rows}")
    left = []
    for number in range(2 * idempotency.CLEAN_EACH):
        change = {"HTTP_IDEMPOTENCY_KEY": f'"{number}"'}
        assert client.send("PATCH", "/api/users/1", {}, **change).status == 200
        left.append(table("SELECT count(*) FROM stored_answers WHERE created = 1")[0][0])
    assert sorted(set(left), reverse=True) == [50, 30, 10]


def test_the_same_request_many_times_at_once_is_done_once(client):
    """The later ones wait for the first, or conflict with it, and find its answer."""
    for number in range(5):
        body = ADA | {"name": f"ada {number}"}
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda _, body=body: post(client, body, body["name"].join('""')), range(8)
                )
            )
        assert answers[0].status == 201
        assert all(same(answer, answers[0]) for answer in answers)
    assert len(names(client)) == 8


def test_requests_under_different_keys_at_once_are_all_done(client):
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: post(client, ADA | {"name": f"n{n}"}, f'"{n}"').status, range(40))
        )
    assert answers == [201] * 40


class Keyed(Site):
    """A web.py application with its own handlers, which uses the module."""

    def __init__(self, server, uri, **options):
        super().__init__(server, uri, models=(Entry, idempotency.StoredAnswer), **options)

    def post(self, work):
        def handler():
            return idempotency.once(work, {}, "a secret")

        return self.request(handler, env={"HTTP_IDEMPOTENCY_KEY": '"a"'})


def test_a_redirect_is_stored_and_given_again(make_site):
    site = make_site(Keyed)

    def work():
        Entry(name="a")
        raise web.seeother("/there")

    first, second = site.post(work), site.post(work)
    assert (first.status, first.headers["Location"]) == (
        "303 See Other",
        "http://0.0.0.0:8080/there",
    )
    assert (first.status, first.headers, first.data) == (
        second.status,
        second.headers,
        second.data,
    )
    assert site.names() == ["a"]


def returned():
    web.ctx.status = "422 Unprocessable Entity"
    return "refused"


def raised():
    raise web.HTTPError("409 Conflict", {}, "refused")


@pytest.mark.parametrize("refuse", [returned, raised])
def test_what_a_refused_request_has_done_is_undone_and_its_key_is_free(make_site, refuse):
    """Without a key it is committed. Under a key, a second request would do it twice."""
    site = make_site(Keyed)
    names = iter("abcd")

    def work(end):
        Entry(name=next(names))
        return end()

    for _ in range(2):
        answer = site.post(lambda: work(refuse))
        assert (answer.status[0], answer.data) == ("4", b"refused")
    assert site.names() == []
    assert site.post(lambda: work(lambda: "done")).data == b"done"
    assert site.names() == ["c"]


def failing():
    raise KeyError


@pytest.mark.parametrize("end", [failing, raised, lambda: b"no text"])
def test_what_failed_is_undone_though_the_handler_goes_on(make_site, end):
    site = make_site(Keyed)

    def work():
        Entry(name="a")
        return end()

    def handler():
        Entry(name="before")
        with contextlib.suppress(KeyError, TypeError, web.HTTPError):
            return idempotency.once(work, {}, "a secret")
        web.ctx.status = "200 OK"
        return "gone on"

    env = {"HTTP_IDEMPOTENCY_KEY": '"a"'}
    assert site.request(handler, env=env).data == b"gone on"
    assert site.names() == ["before"]
    assert site.post(lambda: "done").data == b"done"


@pytest.mark.parametrize("answer", [None, b"bytes", 1, iter("ab"), "x" * 70_000])
def test_an_answer_that_cannot_be_stored_fails_and_nothing_is_done(make_site, answer):
    site = make_site(Keyed)

    def work():
        Entry(name="a")
        return answer

    assert site.post(work).status.startswith("500")
    assert site.names() == []
    assert site.execute("SELECT * FROM stored_answers") == []


def test_an_answer_is_given_again_letter_for_letter(make_site):
    site = make_site(Keyed)
    text = "a\0b ' \" \\ %s %% \U0001f600 é\n" * 100

    assert site.post(lambda: text).data.decode() == text
    assert site.post(lambda: "other").data.decode() == text


def test_a_session_cookie_is_not_stored(make_site):
    site = make_site(Keyed)

    def work():
        web.setcookie("session", "of the first")
        return ""

    assert "Set-Cookie" in site.post(work).headers
    assert "Set-Cookie" not in site.post(work).headers


def test_the_token_is_asked_for_first(client):
    post(client)
    assert post(client, HTTP_AUTHORIZATION="Bearer wrong").status == 401
