"""A request leaves nothing to the garbage collector, which stops all threads while it works."""

import gc

import pytest

from tests.contract.site import Entry

REQUESTS = 10


def get():
    return Entry.get(1).name


def read_list():
    return "".join(entry.name for entry in Entry.select())


def write():
    Entry.get(1).number += 1
    return "written"


def left_by(site, handler, method):
    """How many objects REQUESTS requests left to the garbage collector."""
    gc.disable()
    try:
        # The first ones open the connection and fill the caches.
        for _ in range(2):
            gc.collect()
            for _ in range(REQUESTS):
                assert site.request(handler, method).status == "200 OK"
        return gc.collect()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("handler", "method"),
    [(get, "GET"), (read_list, "GET"), (write, "POST")],
    ids=["get", "list", "write"],
)
def test_a_request_leaves_nothing_to_the_garbage_collector(make_site, handler, method):
    site = make_site()
    site.request(lambda: [Entry(name=name) for name in "abc"] and "made")
    without_database = left_by(site, lambda: "nothing", method)
    assert left_by(site, handler, method) == without_database


@pytest.mark.engines("sqlite")
def test_what_a_handler_leaves_is_counted(make_site):
    """The control: the test before would see it."""

    def leave():
        left = []
        left.append(left)
        return "left"

    site = make_site()
    without = left_by(site, lambda: "nothing", "GET")
    assert left_by(site, leave, "GET") >= without + REQUESTS
