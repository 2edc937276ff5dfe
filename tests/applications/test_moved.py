"""The two old applications moved in: the same answers, nothing lost, nothing stale."""

import itertools

import pytest

from tests.applications.moved import moved_in
from tests.applications.stock import OLD, by_its_own_server, data_folder

pytestmark = pytest.mark.timeout(300)
ENGINES = ("sqlite", "postgres", "mariadb")
PROCESSES = 2


class Databases:
    """New databases of one engine, with a folder beside them for what the application writes."""

    def __init__(self, server, data):
        self._server = server
        self._numbers = itertools.count()
        self.data = data

    def new(self):
        """The URI of an empty database, as the application and the settings take it."""
        if self._server:
            return self._server.new_database()
        return f"sqlite://{self.data}/site{next(self._numbers)}.db"


@pytest.fixture(scope="module", params=itertools.product(OLD, ENGINES), ids="-".join)
def place(request):
    """An application, and databases for it."""
    name, engine = request.param
    server = None if engine == "sqlite" else request.getfixturevalue(f"{engine}_server")
    with data_folder() as data:
        yield OLD[name], Databases(server, data)


@pytest.fixture(scope="module")
def stock(place):
    """Its answers as stock by its own server, what it shows afterwards, and its database."""
    old, databases = place
    uri = databases.new()
    with by_its_own_server(old, databases.data, uri) as base:
        return old.visits.flow(base), old.visits.shown(base), uri


@pytest.fixture(scope="module")
def moved(place, stock):
    """Its address in this bundle, with the same database as before."""
    old, databases = place
    with moved_in(old, databases.data, stock[2], processes=PROCESSES) as base:
        yield base


def test_it_answers_as_it_did_stock(place, stock):
    old, databases = place
    with data_folder() as data, moved_in(old, data, databases.new()) as base:
        assert old.visits.flow(base) == stock[0]


def test_it_shows_what_it_had_before(place, stock, moved):
    assert place[0].visits.shown(moved) == stock[1]


def test_no_view_is_lost(place, moved):
    place[0].visits.no_view_is_lost(moved)


def test_no_page_is_stale(place, moved):
    place[0].visits.no_page_is_stale(moved, PROCESSES)


def test_nothing_else_is_lost(place, moved):
    place[0].visits.nothing_is_lost(moved)


@pytest.mark.parametrize("name", OLD)
def test_below_a_prefix_it_answers_as_at_the_root(name):
    """Its links, redirects, cookies and static files stay there."""
    old = OLD[name]
    with data_folder() as data, by_its_own_server(old, data, f"sqlite:{data}/site.db") as base:
        expected = old.visits.flow(base)
    with data_folder() as data, moved_in(old, data, f"sqlite://{data}/site.db", "/old") as base:
        assert old.visits.flow(base) == expected
