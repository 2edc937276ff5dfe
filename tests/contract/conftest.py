"""The engine of each test, its empty database and a site on it.

A test that asks for `engine`, or for what needs it (`server`, `uri`, `make_site`, `site`), runs
once on each of ENGINES. A test for only some of them is marked with their names, which are in
site.py:

    @pytest.mark.engines(*POSTGRES)      a test; `pytestmark = ...` for all of a module
"""

import pytest
from sqlobject import sqlhub

from app.transactions import connection_for
from tests.contract.library import Library
from tests.contract.proxy import Proxy
from tests.contract.site import ENGINES, Site, database_of, no_transaction
from tests.servers import Files


def pytest_generate_tests(metafunc):
    if "engine" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("engines")
    names = marker.args if marker else ENGINES
    if not names or set(names) - set(ENGINES):
        raise pytest.UsageError(f"engines{names}: write names out of {', '.join(ENGINES)}")
    metafunc.parametrize("engine", [_param(name) for name in names], indirect=True)


def _param(name):
    """The parameter for an engine; a quick run uses one driver for each server."""
    return pytest.param(name, marks=[pytest.mark.slow] if "-" in name else [])


@pytest.fixture
def engine(request):
    """The engine's name, with a hyphen and its driver if that is not the preferred one."""
    return request.param


@pytest.fixture
def server(engine, request, tmp_path):
    """The server of `engine`, as in tests/servers.py."""
    scheme = engine.partition("-")[0]
    return Files(tmp_path) if scheme == "sqlite" else request.getfixturevalue(f"{scheme}_server")


@pytest.fixture
def proxy(server):
    """A Proxy before the server."""
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def new_uri(engine, server):
    """Create an empty database and return its URI; it is dropped after the test."""
    driver = engine.partition("-")[2]
    made = []

    def make():
        made.append(server.new_database())
        return made[-1] + (f"?driver={driver}" if driver else "")

    yield make
    for uri in made:
        server.drop(database_of(uri))


@pytest.fixture
def uri(new_uri):
    """The URI of an empty database."""
    return new_uri()


@pytest.fixture
def connection(uri, monkeypatch):
    """The connection for `uri`, which SQLObject uses outside of requests meanwhile."""
    connection = connection_for(uri)
    monkeypatch.setattr(sqlhub, "processConnection", connection, raising=False)
    yield connection
    connection.close()


@pytest.fixture
def make_site(server, uri):
    """Create a Site, or an instance of a subclass, on `uri` with the options given."""
    made = []

    def make(site_class=Site, **options):
        made.append(site_class(server, uri, **options))
        return made[-1]

    yield make
    if not no_transaction():
        del sqlhub.threadConnection
    for site in made:
        site.connection.close()


@pytest.fixture
def site(make_site):
    return make_site()


@pytest.fixture
def library(make_site):
    return make_site(Library)
