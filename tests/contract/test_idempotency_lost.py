"""A client without an answer sends again under its key, and has its effect once."""

import threading
import time
from itertools import count

import pytest

from tests.contract.site import NOT_ASKED, SERVERS
from tests.http_client import site_client

pytestmark = pytest.mark.engines(*SERVERS)

ADA = {"name": "ada", "fullname": "Ada Lovelace", "password": "open sesame"}


@pytest.fixture
def client(new_uri, proxy, tmp_path):
    with site_client(tmp_path, uri=proxy.address(new_uri())) as client:
        yield client


def post(client, body=ADA, key='"a key"'):
    return client.send("POST", "/api/users", body, HTTP_IDEMPOTENCY_KEY=key)


def names(client):
    return [user["name"] for user in client.get("/api/users", "limit=1000").json["users"]]


@pytest.mark.engines(*NOT_ASKED)
def test_a_lost_outcome_may_be_sent_again_and_is_there_once(client, proxy):
    proxy.cut_after = b"COMMIT"
    answer = post(client)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json["type"] == "/problems/outcome-unknown"
    assert "with the same Idempotency-Key" in answer.json["detail"]
    made = post(client)
    assert (made.status, made.json["name"]) == (201, "ada")
    assert post(client).body == made.body
    assert names(client).count("ada") == 1


@pytest.mark.engines(*NOT_ASKED)
@pytest.mark.parametrize("key", [{}, {"HTTP_IDEMPOTENCY_KEY": '"a"'}])
def test_a_request_whose_key_was_not_heeded_is_not_told_to_be_sent_again(client, proxy, key):
    """DELETE takes no key: nobody could tell which of two requests has deleted the user."""
    proxy.cut_after = b"COMMIT"
    answer = client.send("DELETE", "/api/users/1", **key)
    assert answer.status == 503 and answer.json["type"] == "/problems/outcome-unknown"
    assert "Retry-After" not in answer.headers


class Senders:
    """Clients that send each request, under its key, until it is answered with its effect.

    `answers`: by the names of the created users. `lost`: the types of the problems in between.
    """

    def __init__(self, client):
        self._client, self._numbers = client, count()
        self._ended = threading.Event()
        self.answers, self.lost = {}, []
        self._threads = [threading.Thread(target=self._work) for _ in range(6)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _work(self):
        while not self._ended.is_set():
            name = f"n{next(self._numbers)}"
            while (answer := self.send(name)).status == 503:
                self.lost.append(answer.json["type"])
            self.answers[name] = answer

    def send(self, name):
        return post(self._client, ADA | {"name": name}, f'"{name}"')

    def wait_until(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.timeout(180)
def test_each_keys_effect_is_there_once_after_the_server_was_killed_under_load(client, server):
    with Senders(client) as senders:
        senders.wait_until(lambda: len(senders.answers) > 12)
        server.stop("immediate")
        try:
            senders.wait_until(lambda: senders.lost)
        finally:
            server.start()
        before = len(senders.answers)
        senders.wait_until(lambda: len(senders.answers) > before + 12)
    assert {answer.status for answer in senders.answers.values()} == {201}
    made = names(client)
    assert sorted(made[3:]) == sorted(senders.answers)
    for name, answer in senders.answers.items():
        assert senders.send(name).body == answer.body
    assert names(client) == made
