"""No answer from the cache differs from a SELECT in the same transaction, under real writers."""

import random
import time

import pytest

from tests.apache.counting import PROCESSES, clients, counters

pytestmark = pytest.mark.timeout(600)

READERS = WRITERS = 4
READS_EACH = 50


def differences(mode, reads, server=None, pause=0.1, until_found=False):
    """Compare `reads` times in `mode` while others write, pausing up to `pause` seconds.

    until_found: stop at the first difference.
    Returns (differences, hits of all processes).
    """
    requests = reads // READS_EACH
    with counters(mode, server) as site:
        done, found = [], []

        def work(number, client):
            if number < WRITERS:
                while len(done) < READERS:
                    assert client.post(f"{site.url}/move").status_code in (200, 500, 503)
                    # Without a pause between commits a thread would have no kept rows to use.
                    time.sleep(random.uniform(0, pause))
                return
            try:
                for _ in range(requests // READERS):
                    answer = client.get(f"{site.url}/compare")
                    assert answer.status_code == 200
                    found.append(int(answer.text))
                    if until_found and any(found):
                        break
            finally:
                done.append(number)

        clients(WRITERS + READERS, work)
        hits = clients(1, lambda _, client: hits_of_every_process(site, client))[0]
    return sum(found), hits


def hits_of_every_process(site, client):
    hits = {}
    while len(hits) < PROCESSES:
        answer = client.get(f"{site.url}/hits")
        hits[answer.headers["X-Process"]] = int(answer.text)
    return sum(hits.values())


def test_200_000_reads_on_sqlite_are_what_a_select_returns():
    found, hits = differences("bundle", 200_000)
    assert found == 0
    assert hits > 1000


def test_200_000_reads_on_postgresql_are_what_a_select_returns(postgres_server):
    found, hits = differences("bundle", 200_000, postgres_server, pause=1)
    assert found == 0
    assert hits > 1000


def test_200_000_reads_on_mariadb_are_what_a_select_returns_and_none_is_from_a_kept_row(
    mariadb_server,
):
    assert differences("bundle", 200_000, mariadb_server) == (0, 0)


@pytest.mark.parametrize("wrong", ["early token", "unchecked"])
def test_a_token_of_another_instant_is_found_out(wrong):
    """The comparison can fail: a commit between token and snapshot leaves stale rows."""
    found, _ = differences(wrong, 200_000, until_found=True)
    assert found > 0


def test_a_token_of_another_instant_is_found_out_on_postgresql(postgres_server):
    mode = "early token on PostgreSQL"
    found, _ = differences(mode, 50_000, postgres_server, pause=1, until_found=True)
    assert found > 0
