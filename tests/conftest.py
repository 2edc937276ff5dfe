"""Database servers for all tests, started when the first test asks for one."""

import pytest

from tests.servers import running


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
