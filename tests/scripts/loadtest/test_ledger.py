"""Hand-written sequences of writes and reads: what the load test's check finds and accepts."""

import pytest

from scripts.lib.loadtest import ledger as subject
from scripts.lib.loadtest.ledger import (
    ABORTED,
    ABSENT,
    LOST,
    MADE_UP,
    RESURRECTED,
    STALE,
    Ledger,
)


@pytest.fixture
def ledger():
    """A ledger in which "key" was created as "old" from 1 to 2."""
    made = Ledger()
    made.acknowledge(made.begin("key", "old", 1), 2)
    return made


def changed(ledger, value, began, acknowledged=None):
    """Note a write, acknowledged at that time if one is given; returns it."""
    write = ledger.begin("key", value, began)
    if acknowledged is not None:
        ledger.acknowledge(write, acknowledged)
    return write


def test_a_read_after_an_acknowledged_write_must_show_it(ledger):
    changed(ledger, "new", 3, 4)
    assert ledger.fault("key", "new", 5, 6) is None
    assert ledger.fault("key", "old", 5, 6) == STALE


def test_a_read_that_began_before_the_acknowledgement_may_show_either(ledger):
    changed(ledger, "new", 3, 5)
    assert ledger.fault("key", "old", 4, 6) is None
    assert ledger.fault("key", "new", 4, 6) is None


def test_a_read_that_ended_before_the_write_began_cannot_show_it(ledger):
    changed(ledger, "new", 5, 6)
    assert ledger.fault("key", "new", 3, 4) is not None


def test_what_a_read_has_shown_must_be_shown_by_those_that_begin_after_it(ledger):
    changed(ledger, "new", 3)
    assert ledger.fault("key", "old", 4, 5) is None
    assert ledger.fault("key", "new", 4, 5) is None
    assert ledger.fault("key", "old", 6, 7) == STALE


def test_only_the_newest_known_write_and_later_ones_may_be_shown(ledger):
    for number in range(5):
        changed(ledger, f"value {number}", 3 + 2 * number, 4 + 2 * number)
    assert [ledger.fault("key", f"value {number}", 20, 21) for number in range(5)] == [
        *[STALE] * 4,
        None,
    ]


def test_an_acknowledged_key_that_is_missing_is_lost(ledger):
    assert ledger.fault("key", ABSENT, 3, 4) == LOST


def test_a_key_may_be_absent_until_its_creation_is_acknowledged(ledger):
    assert ledger.fault("key", ABSENT, 1.5, 3) is None


def test_a_deleted_key_that_is_shown_is_resurrected(ledger):
    changed(ledger, ABSENT, 3, 4)
    assert ledger.fault("key", ABSENT, 5, 6) is None
    assert ledger.fault("key", "old", 5, 6) == RESURRECTED


def test_while_a_deletion_is_under_way_the_key_may_be_shown_or_not(ledger):
    changed(ledger, ABSENT, 3)
    assert ledger.fault("key", "old", 4, 5) is None
    assert ledger.fault("key", ABSENT, 4, 5) is None
    assert ledger.fault("key", "old", 6, 7) == RESURRECTED


def test_a_write_of_unknown_outcome_allows_both_until_it_is_seen(ledger):
    changed(ledger, "new", 3)
    assert ledger.fault("key", "old", 100, 101) is None
    assert ledger.fault("key", "old", 102, 103) is None
    assert ledger.fault("key", "new", 104, 105) is None
    assert ledger.fault("key", "old", 106, 107) == STALE


def test_a_refused_write_must_not_be_shown(ledger):
    ledger.refuse(changed(ledger, "new", 3))
    assert ledger.fault("key", "old", 5, 6) is None
    assert ledger.fault("key", "new", 5, 6) == ABORTED


def test_a_value_that_nobody_wrote_is_found(ledger):
    assert ledger.fault("key", "other", 5, 6) == MADE_UP
    assert ledger.fault("nobody's", "other", 5, 6) == MADE_UP
    assert ledger.fault("nobody's", ABSENT, 5, 6) is None


def test_a_long_history_is_cut_and_still_checked(ledger, monkeypatch):
    monkeypatch.setattr(subject, "REMEMBERED", 3)
    for number in range(20):
        changed(ledger, number, 3 + number, 3.5 + number)
    assert len(ledger._writes["key"]) <= 6
    assert ledger.fault("key", 19, 30, 31) is None
    assert ledger.fault("key", 18, 30, 31) == STALE


def test_a_key_deleted_long_ago_keeps_one_write_and_stays_deleted(ledger, monkeypatch):
    monkeypatch.setattr(subject, "SECONDS_REMEMBERED", 10)
    changed(ledger, ABSENT, 3, 4)
    ledger.acknowledge(ledger.begin("other", "value", 20), 21)
    assert len(ledger._writes["key"]) == 1
    assert ledger.fault("key", ABSENT, 22, 23) is None
    assert ledger.fault("key", "old", 22, 23) in (RESURRECTED, MADE_UP)
