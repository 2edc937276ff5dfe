"""An answer in chunks: the transaction lives until its last chunk is read."""

import pytest

from tests.contract.site import Entry, add, no_transaction


def test_a_generator_is_inside_the_transaction_and_commits_at_its_end(site):
    def handler():
        Entry(name="a")
        yield "first"
        assert site.names() == []
        Entry(name="b")
        yield "second"

    assert site.request(handler).data == b"firstsecond"
    assert site.names() == ["a", "b"]
    assert no_transaction()


def test_a_generator_without_chunks_commits(site):
    def handler():
        Entry(name="a")
        return
        yield

    assert site.request(handler).data == b""
    assert site.names() == ["a"]


def test_a_generator_that_raises_later_rolls_back(site):
    def handler():
        Entry(name="a")
        yield "first"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        site.request(handler)
    assert site.names() == []
    assert no_transaction()


def test_a_generator_that_raises_at_once_is_answered_500(site):
    def handler():
        Entry(name="a")
        raise ZeroDivisionError
        yield

    assert site.request(handler).status.startswith("500")
    assert site.names() == []


@pytest.mark.parametrize("chunks", [0, 1])
def test_a_generator_that_is_dropped_rolls_back(site, chunks):
    def handler():
        Entry(name="a")
        yield "first"
        yield "second"

    answer = site.start(handler)
    for _ in range(chunks):
        next(answer)
    del answer
    assert site.names() == []
    assert no_transaction()


def test_the_next_request_is_not_joined_to_an_answer_that_was_left_unread(site):
    def handler():
        Entry(name="a")
        yield "first"
        yield "second"

    unread = site.start(handler)
    assert site.request(add("b")).data == b"added"
    assert site.names() == ["b"]
    del unread
