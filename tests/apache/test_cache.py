"""No answer from the cache differs from a SELECT in the same transaction, under real writers."""

import random
import time

import pytest

from tests.apache.counting import PROCESSES, clients, counters

pytestmark = pytest.mark.timeout(600)

READERS = WRITERS = 4
READS_EACH = 50
# The longest, in seconds, between two commits of a writer.
PAUSE = 0.1


def differences(mode, requests):
    """Compare in `mode` while others write; return (differences, hits of all processes)."""
    with counters(mode) as site:
        done = []

        def work(number, client):
            if number < WRITERS:
                while len(done) < READERS:
                    assert client.post(f"{site.url}/move").status_code in (200, 500)
                    # Commits without a pause would leave a thread nothing to reuse.
                    time.sleep(random.uniform(0, PAUSE))
                return 0
            try:
                answers = [client.get(f"{site.url}/compare") for _ in range(requests // READERS)]
            finally:
                done.append(number)
            assert {answer.status_code for answer in answers} == {200}
            return sum(int(answer.text) for answer in answers)

        found = sum(clients(WRITERS + READERS, work))
        hits = clients(1, lambda _, client: hits_of_every_process(site, client))[0]
    return found, hits


def hits_of_every_process(site, client):
    hits = {}
    while len(hits) < PROCESSES:
        answer = client.get(f"{site.url}/hits")
        hits[answer.headers["X-Process"]] = int(answer.text)
    return sum(hits.values())


def test_200_000_reads_from_the_cache_are_what_a_select_returns():
    found, hits = differences("bundle", 200_000 // READS_EACH)
    assert found == 0
    assert hits > 1000


@pytest.mark.parametrize("wrong", ["early token", "unchecked"])
def test_a_token_that_is_not_the_transactions_is_found_out(wrong):
    """The comparison can fail: a commit between token and snapshot leaves stale rows."""
    found, _ = differences(wrong, 200_000 // READS_EACH)
    assert found > 0
