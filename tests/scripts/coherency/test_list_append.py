"""The anomalies of list-append, each in the smallest history that has it."""

import pytest

from scripts.lib.coherency.checkers.list_append import check
from scripts.lib.coherency.checkers.result import Outcome
from tests.scripts.coherency.histories import op


def a(key, value):
    return ("append", key, value)


def r(key, *seen):
    return ("read", key, seen)


INVALID = {
    "G0": [
        op(0, 9, a(1, 1), a(2, 1)),
        op(0, 9, a(1, 2), a(2, 2)),
        op(10, 11, r(1, 1, 2), r(2, 2, 1)),
    ],
    "G1a": [op(0, 9, a(1, 1), type="fail"), op(0, 9, r(1, 1))],
    "G1b": [op(0, 9, a(1, 1), a(1, 2)), op(0, 9, r(1, 1))],
    "G1c": [op(0, 9, a(1, 1), r(2, 1)), op(0, 9, a(2, 1), r(1, 1))],
    "G-single": [
        op(0, 9, a(1, 1), a(2, 1)),
        op(0, 9, r(1, 1), r(2)),
        op(10, 11, r(1, 1), r(2, 1)),
    ],
    "G2-item": [
        op(0, 9, r(1), a(2, 1)),
        op(0, 9, r(2), a(1, 1)),
        op(10, 11, r(1, 1), r(2, 1)),
    ],
    "incompatible order": [
        op(0, 9, a(1, 1)),
        op(0, 9, a(1, 2)),
        op(0, 9, r(1, 1)),
        op(0, 9, r(1, 2)),
    ],
    "lost update": [op(0, 9, r(1), a(1, 1)), op(0, 9, r(1), a(1, 2))],
    "internal": [op(0, 9, a(1, 1), r(1))],
    "duplicate": [op(0, 9, a(1, 1)), op(0, 9, r(1, 1, 1))],
    "invented value": [op(0, 9, r(1, 5))],
    "G1c-realtime": [op(0, 1, r(1, 1)), op(2, 3, a(1, 1))],
    "G-single-realtime": [op(0, 1, a(1, 1)), op(2, 3, r(1)), op(4, 5, r(1, 1))],
    "G-single-process": [
        op(0, 5, a(1, 1)),
        op(0, 1, r(1, 1), client=1),
        op(1, 2, r(1), client=1),
    ],
}


@pytest.mark.parametrize("anomaly", INVALID)
def test_the_anomaly_is_found(anomaly):
    result = check(INVALID[anomaly])
    assert result.outcome is Outcome.INVALID
    assert anomaly in result.counts
    assert result.witnesses[anomaly].anomaly == anomaly


@pytest.mark.parametrize("anomaly", ["G0", "G1c", "G-single", "G2-item"])
def test_a_cycle_has_one_name(anomaly):
    found = {kind for kind in check(INVALID[anomaly]).counts if kind.startswith("G")}
    assert found == {anomaly}


def test_an_append_that_nobody_read_follows_what_was_read():
    lost = [op(0, 1, a(1, 1)), op(2, 3, a(1, 2)), op(4, 5, r(1, 1))]
    result = check(lost)
    assert list(result.counts) == ["G-single-realtime"]
    assert set(result.witness.operations) == set(lost[1:])


def test_an_append_of_unknown_outcome_may_be_missing_or_there():
    maybe = op(0, 1, a(1, 1), type="info")
    assert check([maybe, op(2, 3, r(1))]).outcome is Outcome.VALID
    assert check([maybe, op(2, 3, r(1)), op(4, 5, r(1, 1))]).outcome is Outcome.VALID


def test_write_skew_of_unread_appends_is_found():
    result = check(
        [op(0, 9, r(1), a(2, 1)), op(0, 9, r(2), a(1, 1)), op(0, 9, r(1)), op(0, 9, r(2))]
    )
    assert "G2-item" in result.counts


def test_the_witness_is_the_shortest_cycle_and_tells_its_edges():
    chain = [op(20 + n, 21 + n, a(3, n)) for n in range(10)]
    result = check([*chain, *INVALID["G-single"]])
    witness = result.witnesses["G-single"]
    assert set(witness.operations) == set(INVALID["G-single"][:2])
    assert "(wr)" in witness.reason
    assert "(rw)" in witness.reason


def test_without_an_acknowledged_operation_the_outcome_is_unknown():
    assert check([op(0, 1, a(1, 1), type="info")]).outcome is Outcome.UNKNOWN


def test_a_transaction_does_not_see_what_it_appends_later():
    result = check([op(0, 9, r(1, 1), a(1, 1))])
    assert list(result.counts) == ["internal"]


def test_a_list_has_the_appends_of_one_transaction_in_their_order():
    for seen in ((2, 1, 3), (2, 3)):
        history = [op(0, 9, a(1, 1), a(1, 2)), op(0, 9, a(1, 3)), op(0, 9, r(1, *seen))]
        assert "incompatible order" in check(history).counts


def test_a_transaction_of_which_a_part_was_read_has_happened_as_a_whole():
    maybe = op(0, 1, a(1, 1), a(2, 1), type="info")
    result = check([maybe, op(2, 3, r(1, 1)), op(4, 5, r(2))])
    assert result.outcome is Outcome.INVALID
