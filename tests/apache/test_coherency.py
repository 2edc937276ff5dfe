"""The promise, with 4 processes x 4 threads: no stale read, nothing lost, nothing half done."""

import random
import time

import pytest

from tests.apache.counting import PROCESSES, clients, counters

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def site():
    with counters("bundle") as running:
        yield running


def read_in_every_process(site, client, number):
    """Read counter `number` until every process has answered; return {process: [values]}.

    Each request has a new connection: Apache then hands each request to whichever process is free.
    """
    seen = {}
    ends = time.monotonic() + 60
    while len(seen) < PROCESSES:
        assert time.monotonic() < ends, f"only {len(seen)} processes have answered"
        answer = client.get(f"{site.url}/value/{number}")
        assert answer.status_code == 200
        seen.setdefault(answer.headers["X-Process"], []).append(int(answer.text))
    return seen


def test_no_process_serves_a_stale_value_after_an_acknowledged_write(site):
    """2,000 writes by 8 clients, each of which reads its own counter in every process."""

    def write_and_read(number, client):
        stale = 0
        for value in range(1, 251):
            answer = client.post(f"{site.url}/value/{number + 1}", content=str(value))
            assert answer.status_code == 200
            seen = read_in_every_process(site, client, number + 1)
            stale += sum(read != value for values in seen.values() for read in values)
        return stale

    assert clients(8, write_and_read) == [0] * 8


def test_nothing_is_visible_of_a_handler_that_writes_twice_and_raises(site):
    def crash(number, client):
        for number in (1, 2):
            assert client.post(f"{site.url}/value/{number}", content="7").status_code == 200
        assert client.post(f"{site.url}/crash").status_code == 500
        return [read_in_every_process(site, client, number) for number in (1, 2)]

    for seen in clients(1, crash)[0]:
        assert all(set(values) == {7} for values in seen.values())


def test_20_000_requests_of_mixed_load_at_16_connections_have_no_failure(site):
    def work(number, client):
        choice = random.Random(number)
        statuses = {}
        for _ in range(20_000 // 16):
            path, kind = choice.choice(
                [("value", "GET")] * 6 + [("value", "POST"), ("increment", "POST")]
            )
            url = f"{site.url}/{path}/{choice.randint(1, 8)}"
            answer = client.request(kind, url, content="5" if path == "value" else None)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        return statuses

    results = clients(16, work)
    assert {status for statuses in results for status in statuses} == {200}
    assert sum(sum(statuses.values()) for statuses in results) == 20_000
