"""Database servers for all tests, started when the first test asks for one."""

from pathlib import Path

import pytest

from tests.servers import running

# The tests in these folders are slow: they need load, a browser or the Docker engine.
SLOW = {"apache", "applications", "browser", "docker"}
# Slow tests of these folders may run beside others: they wait, and load nothing.
BESIDE_OTHERS = {"applications", "browser", "contract"}


def pytest_collection_modifyitems(items):
    """Mark the tests of the SLOW folders, and those that must run one at a time."""
    here = Path(__file__).parent
    for item in items:
        if not item.path.is_relative_to(here):
            continue
        folder = item.path.relative_to(here).parts[0]
        if folder in SLOW:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow") and folder not in BESIDE_OTHERS:
            item.add_marker(pytest.mark.alone)


@pytest.fixture(scope="session")
def postgres_server():
    """A running PostgreSQL of the tests' own; skips where it is not installed."""
    with running("postgres") as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server():
    """A running MariaDB of the tests' own; skips where it is not installed."""
    with running("mariadb") as server:
        yield server
