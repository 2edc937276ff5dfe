"""The two old applications without the bundle: they work, and lose what the bundle does not."""

import contextlib

import pytest

from tests.applications.driving import LostUpdate, StaleRead
from tests.applications.stock import OLD, PROCESSES, SHOP, data_folder, on_mod_wsgi

pytestmark = pytest.mark.timeout(300)


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


@pytest.mark.parametrize("name", OLD)
def test_views_at_once_are_not_all_counted(several_processes, name):
    """Two requests read the same count: it is all but impossible that all of 90 are counted."""
    old = OLD[name]
    with pytest.raises(LostUpdate):
        old.visits.no_view_is_lost(several_processes(old))


def test_a_shop_of_several_processes_shows_old_prices(several_processes):
    """Each process has its own cache, which nothing tells of the change."""
    with pytest.raises(StaleRead):
        SHOP.visits.no_page_is_stale(several_processes(SHOP), PROCESSES)
