"""The two old applications without the bundle: they work, and lose what the bundle does not."""

import contextlib

import pytest

from tests.applications.stock import (
    OLD,
    PROCESSES,
    SHOP,
    WIKI,
    data_folder,
    on_mod_wsgi,
)

pytestmark = pytest.mark.timeout(300)


def lost(fact):
    """The check is to fail here: this is what the bundle cures."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=fact)


@pytest.fixture(scope="module")
def several_processes():
    """Serve each application stock by several processes on SQLite, when first asked for."""
    with contextlib.ExitStack() as stack:
        served = {}

        def serve(old):
            if old.name not in served:
                data = stack.enter_context(data_folder())
                uri = f"sqlite:{data}/site.db"
                served[old.name] = stack.enter_context(on_mod_wsgi(old, data, uri))
            return served[old.name]

        yield serve


@lost("two requests read the same count")
@pytest.mark.parametrize("name", OLD)
def test_views_at_once_are_all_counted(several_processes, name):
    old = OLD[name]
    old.visits.no_view_is_lost(several_processes(old))


@lost("each process has a cache of its own")
def test_a_shop_of_several_processes_shows_what_was_changed(several_processes):
    SHOP.visits.no_page_is_stale(several_processes(SHOP), PROCESSES)


@lost("two requests take the same piece")
def test_a_shop_of_several_processes_sells_what_it_has(several_processes):
    SHOP.visits.nothing_is_lost(several_processes(SHOP))


@lost("two requests write the same revision")
def test_edits_at_once_of_one_text_are_all_kept(several_processes):
    WIKI.visits.nothing_is_lost(several_processes(WIKI))
