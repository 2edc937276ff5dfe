"""Answers that are sent chunk by chunk follow the rules of WSGI, even where they break off."""

import pytest

from tests.contract.site import Entry, no_transaction
from tests.contract.strict_server import (
    BELOW_500,
    BODIES,
    FAILING,
    TYPE,
    ask,
    plain,
    returning,
)


def failing_late():
    plain()
    yield str(Entry.select().count())
    raise ZeroDivisionError


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_that_fails_late_is_broken_off_and_never_started_again(site, method):
    """After the first chunk a server can tell its client in no other way."""
    answer = ask(site, failing_late, method)
    assert answer.next() == b"0"
    with pytest.raises(ZeroDivisionError):
        answer.next()
    assert len(answer.started) == 1
    answer.close()
    assert no_transaction()
    assert ask(site, returning("next"), method).read() == ("200 OK", [TYPE], b"next")


@pytest.mark.parametrize("read", [0, 1, 2])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("stream_writes", [False, True])
def test_an_answer_that_is_closed_early_leaves_nothing(make_site, method, read, stream_writes):
    site = make_site(stream_writes=stream_writes)

    def handler():
        plain()
        if method == "POST":
            Entry(name="a")
        for _ in range(3):
            yield str(Entry.select().count()) * 100_000

    answer = ask(site, handler, method)
    for _ in range(read):
        assert answer.next()
    answer.close()
    assert no_transaction()
    held_back = method == "POST" and not stream_writes
    assert site.names() == (["a"] if held_back else [])
    assert ask(site, returning("next"), method).read() == ("200 OK", [TYPE], b"next")


@pytest.mark.parametrize("code", [*BELOW_500, *FAILING])
def test_sent_at_once_an_error_before_the_first_chunk(make_site, code):
    site = make_site(stream_writes=True)
    made = {**BELOW_500, **FAILING}[code]

    def handler():
        Entry(name="a")
        raise made("/there") if code.startswith("30") else made()
        yield

    status, _, _ = ask(site, handler, "POST").read()
    assert status.startswith(code)
    assert site.names() == (["a"] if code in BELOW_500 else [])


def test_sent_at_once_a_stream_is_valid(make_site):
    site = make_site(stream_writes=True)
    for handler, body in BODIES.items():
        assert ask(site, handler, "POST").read() == ("200 OK", [TYPE], body)
