"""A full disk of a database server: acknowledged writes stay, the rest is 503 and whole.

test_faults.py shows the same of SQLite's disk.
"""

import pytest

from scripts.lib.command import CannotRun
from scripts.lib.serving.databases import SERVERS
from scripts.lib.serving.own_site import daemon_user, make_folder
from scripts.lib.serving.ports import free_port
from scripts.lib.serving.user import as_user
from tests.apache.server import apache
from tests.apache.test_faults import (
    APPLICATION,
    MEGABYTE,
    ROOT,
    Faults,
    fill,
    small_disk,
    wait_until,
)

pytestmark = pytest.mark.timeout(180)

# The size of a new server, and some room.
SIZES = {"postgres": 100 * MEGABYTE, "mariadb": 200 * MEGABYTE}
KEYS = {"postgres": "SERIAL PRIMARY KEY", "mariadb": "INT AUTO_INCREMENT PRIMARY KEY"}
REFUSED = 20


class OnServer(Faults):
    """The faults' application on a server."""

    def __init__(self, site, server, disk):
        super().__init__(site, None)
        self.server, self.disk = server, disk

    def stored(self):
        query = "SELECT number, COUNT(*) FROM half GROUP BY number"
        return dict(self.server.execute(query, "site"))


@pytest.fixture(scope="module", params=sorted(SERVERS))
def faults(request):
    engine = request.param
    with small_disk(SIZES[engine]) as disk:
        try:
            folder = make_folder(disk / "server", daemon_user())
            server = SERVERS[engine](folder, free_port(), "secret", **as_user(daemon_user()))
        except CannotRun as error:
            pytest.skip(f"{error}, or scripts/install --test")
        server.start()
        try:
            uri = server.database("site")
            server.execute(
                f"CREATE TABLE half (id {KEYS[engine]}, number INT, filling TEXT)", "site"
            )
            settings = {"PROJECT": str(ROOT), "FAULTS_URI": uri}
            # `pids` knows all processes then.
            with apache(
                APPLICATION, 2, 4, settings, path="/process", defines={"WEBPY_ONE_GROUP": 1}
            ) as site:
                yield OnServer(site, server, disk)
        finally:
            server.stop("fast")


def test_a_full_disk_is_told_loses_nothing_and_recovers_when_there_is_room(faults):
    assert faults.post().status_code == 200
    filler = fill(faults.disk)
    refused = []
    for _ in range(2000):
        answer = faults.post()
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 503:
            refused.append(answer)
        if len(refused) == REFUSED:
            break
    assert len(refused) == REFUSED
    assert "no room left" in refused[-1].text
    assert refused[-1].headers["Retry-After"] == "1"
    assert faults.get().status_code == 200
    assert faults.check()
    filler.unlink()
    wait_until(lambda: faults.post().status_code == 200)
    assert {faults.post().status_code for _ in range(20)} == {200}
    assert faults.check()
    assert faults.acknowledged


def test_under_load_a_disk_that_fills_up_loses_nothing(faults):
    with faults.load() as count:
        started = count()
        wait_until(lambda: count() > started + 50)
        filler = fill(faults.disk)
        try:
            refused = faults.post()
            wait_until(lambda: faults.post().status_code == 503)
        finally:
            filler.unlink()
        assert refused.status_code in (200, 503)
        full = count()
        wait_until(lambda: count() > full + 50)
    assert faults.check()
