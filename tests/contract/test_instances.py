"""An instance belongs to its request and its thread: used elsewhere it fails loudly."""

import pickle
import threading

import pytest

from app.transactions import OutsideItsRequest
from tests.contract.site import Entry, add


def test_a_leaked_instance_fails_loudly_after_its_request(site):
    leaked = []
    site.request(lambda: leaked.append(Entry(name="a")))
    site.request(lambda: leaked.append(Entry.get(1)), "GET")
    site.request(lambda: leaked.extend(Entry.select()), "GET")
    assert len(leaked) == 3
    for use in (lambda e: e.name, lambda e: e.sync(), lambda e: e.set(number=2)):
        for entry in leaked:
            with pytest.raises(OutsideItsRequest, match="after the request"):
                use(entry)

            def in_another_request(entry=entry, use=use):
                with pytest.raises(OutsideItsRequest, match="after the request"):
                    use(entry)
                return "seen"

            assert site.request(in_another_request).data == b"seen"
    assert [entry.id for entry in leaked] == [1, 1, 1]


def test_an_instance_used_by_another_thread_during_its_request_fails_loudly(site):
    site.request(add())
    seen = []

    def use(entry, function):
        try:
            function(entry)
        except OutsideItsRequest as error:
            seen.append("another thread" in str(error))

    def handler():
        entry = Entry.get(1)
        for function in (lambda e: e.name, lambda e: e.sync(), lambda e: e.set(number=2)):
            thread = threading.Thread(target=use, args=(entry, function))
            thread.start()
            thread.join()
        return entry.name

    assert site.request(handler, "GET").data == b"a"
    assert seen == [True] * 3


def test_an_instance_from_a_pickle_and_the_one_of_its_row_lose_no_update(site):
    site.request(add("a"))
    pickled = []
    site.request(lambda: pickled.append(pickle.dumps(Entry.byName("a"))), "GET")

    def handler():
        entry = Entry.byName("a")
        other = pickle.loads(pickled[0])
        other.number = 50
        entry.number += 1
        other.number += 1
        return f"{entry.number} {other.number}"

    assert site.request(handler).data == b"52 52"
    assert site.execute("SELECT number FROM entry") == [(52,)]
