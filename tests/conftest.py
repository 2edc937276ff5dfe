"""Database servers for all tests, started when the first test asks for one."""

from pathlib import Path

import pytest

from tests.servers import running

# The tests in these folders are slow: they need Apache, a browser or a Docker engine.
SLOW = {"apache", "applications", "browser", "docker"}


def pytest_collection_modifyitems(items):
    """Mark the tests of the SLOW folders."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.path.relative_to(here).parts[0] in SLOW:
            item.add_marker(pytest.mark.slow)


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
