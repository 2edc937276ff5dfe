"""web.py's sessions: changed and saved once, by the run that counts, wherever they are kept."""

import pytest
import web
from sqlobject import sqlhub

from app.transactions import doom
from tests.contract.busy import Busy
from tests.contract.internals import is_writing
from tests.contract.site import Entry
from tests.contract.visitor import OF_MODELS, STORES, SiteWithSessions, Visitor

each_place = pytest.mark.parametrize("place", ["before", "after"])
each_store = pytest.mark.parametrize("store", STORES)
each_of_models = pytest.mark.parametrize("store", OF_MODELS)


@pytest.fixture
def make_visitor(make_site, tmp_path, monkeypatch):
    """Make a Visitor whose site keeps its sessions in `store`; it has a session already."""

    def make(store, place, **options):
        site = make_site(SiteWithSessions, folder=tmp_path, store=store, place=place, **options)
        monkeypatch.setattr(sqlhub, "processConnection", site.connection, raising=False)
        visitor = Visitor(site)
        visitor.request(lambda: "hello")
        assert visitor.cookie
        return visitor

    return make


def count_and_write(session, runs):
    """A handler that counts, and then writes: a GET is run again for that."""

    def handler():
        runs.append(1)
        session.count += 1
        session.cart.append("item")
        Entry(name=f"entry {session.count}")
        return "counted"

    return handler


@each_place
@each_store
def test_a_get_that_counts_counts_by_one_though_it_is_run_twice(make_visitor, store, place):
    visitor = make_visitor(store, place)
    runs = []
    for expected in (1, 2, 3):
        handler = count_and_write(visitor.site.session, runs)
        assert visitor.request(handler).data == b"counted"
        assert visitor.get("count") == expected
        assert visitor.get("cart") == ["item"] * expected
    assert len(runs) >= 6


@each_place
@each_store
def test_a_get_that_only_counts_counts_by_one(make_visitor, store, place):
    visitor = make_visitor(store, place)
    session = visitor.site.session

    def handler():
        session.count += 1
        return str(session.count)

    for expected in (b"1", b"2", b"3"):
        assert visitor.request(handler).data == expected
