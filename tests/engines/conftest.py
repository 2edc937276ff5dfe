"""Each database server in turn, with a new database for each test."""

import pytest

from tests.test_transaction import Site

DRIVERS = {"postgres": "postgres", "postgres-psycopg2": "postgres", "mariadb": "mariadb"}


@pytest.fixture(params=DRIVERS)
def engine(request):
    """The name of a database server with the driver that is not the preferred one."""
    return request.param


@pytest.fixture
def server(engine, request):
    """A running server of `engine`, as servers.py has it."""
    return request.getfixturevalue(f"{DRIVERS[engine]}_server")


@pytest.fixture
def uri(engine, server):
    """The URI of an empty database."""
    _, _, driver = engine.partition("-")
    return server.new_database() + (f"?driver={driver}" if driver else "")


class EngineSite(Site):
    """The one-route application of test_transaction.py on a server's database."""

    def __init__(self, server, uri, **options):
        self.server = server
        self.database = uri.partition("?")[0].rpartition("/")[2]
        super().__init__(uri, **options)

    def execute(self, query):
        """Run `query` in a session of its own; returns its rows."""
        return self.server.execute(query, self.database)

    def names(self):
        return [name for (name,) in self.execute("SELECT name FROM entry ORDER BY id")]


@pytest.fixture
def make_site(server, uri):
    """Make an EngineSite with the options given."""
    made = []

    def make(**options):
        made.append(EngineSite(server, uri, **options))
        return made[-1]

    yield make
    for site in made:
        site.connection.close()


@pytest.fixture
def site(make_site):
    return make_site()
