"""What goes wrong with the recipe under several processes and threads, and holds here."""

import itertools
import time

import pytest

from tests.apache.counting import clients, counters, fails_on_the_recipe

pytestmark = pytest.mark.timeout(300)


@fails_on_the_recipe("fact 4: the stock pool closes the connections of mod_wsgi's threads")
def test_no_request_fails_under_load(mode):
    """Reads only: nothing but the handling of connections can make them fail."""
    with counters(mode) as site:

        def read(number, client):
            ends = time.monotonic() + 8
            statuses = []
            while time.monotonic() < ends:
                statuses.append(client.get(f"{site.url}/value/{number % 8 + 1}").status_code)
            return statuses

        statuses = list(itertools.chain(*clients(16, read)))
    assert len(statuses) > 500
    assert set(statuses) == {200}


@fails_on_the_recipe("fact 6: at the default isolation updates are lost")
def test_no_acknowledged_increment_is_lost(mode):
    with counters(mode) as site:

        def increment(number, client):
            answers = [client.post(f"{site.url}/increment/1") for _ in range(500)]
            return sum(answer.status_code == 200 for answer in answers)

        acknowledged = sum(clients(8, increment))
        final = int(clients(1, lambda _, client: client.get(f"{site.url}/value/1").text)[0])
    assert acknowledged > 0
    assert final == acknowledged
    if mode == "bundle":
        assert acknowledged == 4000
