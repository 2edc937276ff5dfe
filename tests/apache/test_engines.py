"""The promise on each engine, with 4 processes x 4 threads under a real Apache, and its faults."""

import random
import threading
import time

import pytest

from tests.apache.banking import SERVERS, TOTAL, Load, rows_per_number, served_bank
from tests.apache.counting import PROCESSES, THREADS, clients

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def bank(request):
    """The bank on each engine; its counters go on from one test to the next."""
    with served_bank(request) as served:
        yield served


def post_until_done(client, url, content=None):
    """Post until the answer is not 503, after which nothing was changed; return its status."""
    while True:
        status = client.post(url, content=content).status_code
        if status != 503:
            return status


def test_no_increment_of_4000_is_lost(bank):
    [(before,)] = bank.execute("SELECT value FROM tally")

    def work(number, client):
        return [post_until_done(client, f"{bank.url}/increment") for _ in range(500)]

    assert {status for statuses in clients(8, work) for status in statuses} == {200}
    assert bank.execute("SELECT value FROM tally") == [(before + 4000,)]


def test_every_read_during_3000_transfers_sums_right(bank):
    done = threading.Event()

    def transfer(number, client):
        choice = random.Random(number)
        moved = 0
        while moved < 375:
            source, target = choice.sample(range(1, 9), 2)
            content = f"{source} {target} {choice.randint(1, 20)}"
            status = post_until_done(client, f"{bank.url}/transfer", content)
            assert status in (200, 409)
            moved += status == 200

    def read(number, client):
        wrong = count = 0
        while not done.is_set():
            balances = [int(text) for text in client.get(f"{bank.url}/balances").text.split()]
            wrong += sum(balances) != TOTAL or min(balances) < 0
            count += 1
            # Without a pause the readers leave the writers no processor.
            time.sleep(0.005)
        return wrong, count

    reading = []
    reader = threading.Thread(target=lambda: reading.extend(clients(4, read)))
    reader.start()
    try:
        clients(8, transfer)
    finally:
        done.set()
        reader.join()
    assert [wrong for wrong, _ in reading] == [0] * 4
    assert sum(count for _, count in reading) > 100


def test_of_two_claims_at_once_at_most_one_is_granted(bank):
    together = threading.Barrier(2)

    def claim(number, client):
        granted = []
        for subject in range(200):
            together.wait(60)
            status = post_until_done(client, f"{bank.url}/claims/{subject}", f"client {number}")
            assert status in (200, 409)
            granted.append(status == 200)
        return granted

    first, second = clients(2, claim)
    assert [a + b for a, b in zip(first, second, strict=True)] == [1] * 200
    assert bank.execute("SELECT COUNT(*), COUNT(DISTINCT subject) FROM claim") == [(200, 200)]


@pytest.mark.parametrize("bank", SERVERS, indirect=True)
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_the_server_loses_nothing_acknowledged_and_nothing_half(bank, mode):
    load = Load(bank, 1 if mode == "fast" else 10**7)
    try:
        load.wait_for(500, 200)
        bank.server.stop(mode)
        load.wait_for(500, 503)
        bank.server.start()
        back = time.monotonic()
        load.wait_for(1000, 200)
    finally:
        load.stop()
    assert {status for *_, status in load.answers} == {200, 503}
    rows = rows_per_number(bank)
    assert set(rows.values()) == {2}
    assert load.numbers(200) <= set(rows)
    # Within five seconds, as the issue demands.
    assert min(at for at, _, status in load.answers if status == 200 and at > back) < back + 5


@pytest.mark.parametrize("bank", SERVERS, indirect=True)
def test_ending_all_sessions_fails_at_most_one_request_for_each_connection(bank):
    load = Load(bank, 2 * 10**7)
    try:
        load.wait_for(500, 200)
        bank.server.end_sessions()
        load.wait_for(1000, 200)
    finally:
        load.stop()
    assert {status for *_, status in load.answers} <= {200, 503}
    assert len(load.numbers(503)) <= PROCESSES * THREADS
    assert load.numbers(200) <= set(rows_per_number(bank))
