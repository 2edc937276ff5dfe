"""Each anomaly, in a history written by hand, and the history beside it that is valid."""

import pytest

from scripts.lib.coherency.checkers import (
    aborted_read,
    bank,
    counter,
    intermediate_read,
    linearizability,
    long_fork,
    register,
    session,
    sets,
    write_skew,
)
from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.history import HistoryError, from_lines, to_line
from tests.scripts.coherency.histories import op


def read(t0, t1, key, seen, **more):
    return op(t0, t1, ("read", key, seen), **more)


def write(t0, t1, key, value, **more):
    return op(t0, t1, ("write", key, value), **more)


def add(t0, t1, key, number, **more):
    return op(t0, t1, ("add", key, number), **more)


def append(t0, t1, key, value, **more):
    return op(t0, t1, ("append", key, value), **more)


def bank_of_two(history):
    return bank.check(history, [1, 2], 20)


def state(t0, one, other):
    return op(t0, t0 + 1, ("read", 1, one), ("read", 2, other))


TRANSFER = op(10, 20, ("add", 1, -5), ("add", 2, 5))
RAISED = op(0, 9, ("append", 1, 7), ("raise",), type="info")
PAUSED = op(0, 9, ("append", 1, 1), ("sleep", 5), ("append", 1, 2))
SKEWED = [
    op(0, 9, ("read", 1, 0), ("read", 2, 0), ("write", 1, 1)),
    op(0, 9, ("read", 1, 0), ("read", 2, 0), ("write", 2, 1)),
]

INVALID = [
    (register.check, "stale read", [write(0, 1, 1, 1), write(2, 3, 1, 2), read(4, 5, 1, 1)]),
    (register.check, "stale read", [write(0, 1, 1, 1), read(4, 5, 1, 0)]),
    (register.check, "aborted read", [write(0, 1, 1, 1, type="fail"), read(4, 5, 1, 1)]),
    (register.check, "invented value", [read(0, 1, 1, 1), write(2, 3, 1, 1)]),
    (register.check, "invented value", [read(0, 1, 1, 9)]),
    (
        session.check,
        "read-your-writes",
        [write(0, 1, 1, 3, client=1), read(2, 3, 1, 2, client=1)],
    ),
    (session.check, "monotonic reads", [read(0, 1, 1, 3, client=1), read(2, 3, 1, 2, client=1)]),
    (
        linearizability.check,
        "not linearizable",
        [write(0, 1, 1, 5), write(2, 3, 1, 6), read(4, 5, 1, 5)],
    ),
    (
        linearizability.check,
        "not linearizable",
        [write(0, 9, 1, 5), read(1, 2, 1, 5), read(3, 4, 1, 0)],
    ),
    (
        linearizability.check,
        "not linearizable",
        [
            op(0, 9, ("read", 1, 0), ("write", 1, 5)),
            op(0, 9, ("read", 1, 0), ("write", 1, 6)),
        ],
    ),
    (counter.check, "lost update", [add(0, 9, 1, 1), add(0, 9, 1, 1), read(10, 11, 1, 1)]),
    (counter.check, "invented update", [add(0, 9, 1, 1), read(10, 11, 1, 2)]),
    (bank_of_two, "torn read", [TRANSFER, state(12, 5, 10)]),
    (bank_of_two, "lost money", [TRANSFER, state(22, 5, 10)]),
    (bank_of_two, "negative balance", [TRANSFER, state(22, -5, 25)]),
    (sets.check, "lost write", [append(0, 1, 1, 1), append(2, 3, 1, 2), read(4, 5, 1, (1,))]),
    (sets.check, "aborted read", [append(0, 1, 1, 1, type="fail"), read(4, 5, 1, (1,))]),
    (sets.check, "invented value", [append(0, 1, 1, 1), read(4, 5, 1, (1, 2))]),
    (
        long_fork.check,
        "long fork",
        [
            op(0, 9, ("read", 1, 1), ("read", 2, 0)),
            op(0, 9, ("read", 1, 0), ("read", 2, 1)),
        ],
    ),
    (write_skew.check, "G2", SKEWED),
    (aborted_read.check, "G1a", [RAISED, read(10, 11, 1, (7,))]),
    (aborted_read.check, "G1a", [write(0, 1, 1, 7, type="fail"), read(10, 11, 1, 7)]),
    (intermediate_read.check, "G1b", [PAUSED, read(2, 3, 1, (1,))]),
]

VALID = [
    (register.check, [write(0, 3, 1, 1), read(1, 2, 1, 1), read(1, 2, 1, 0)]),
    (register.check, [write(0, 3, 1, 1, type="info"), read(9, 10, 1, 0), read(11, 12, 1, 1)]),
    (session.check, [read(0, 1, 1, 3, client=1), read(2, 3, 1, 2, client=2)]),
    (linearizability.check, [write(0, 9, 1, 5), read(1, 2, 1, 0), read(3, 4, 1, 5)]),
    (
        linearizability.check,
        [write(0, 1, 1, 5, type="info"), read(9, 10, 1, 0), read(11, 12, 1, 5)],
    ),
    (counter.check, [add(0, 9, 1, 1), add(0, 9, 1, 1), read(1, 9, 1, 1), read(10, 11, 1, 2)]),
    (counter.check, [add(0, 9, 1, 1, type="info"), read(10, 11, 1, 0)]),
    (bank_of_two, [TRANSFER, state(12, 10, 10), state(22, 5, 15)]),
    (sets.check, [append(0, 1, 1, 1), append(0, 1, 1, 2, type="info"), read(4, 5, 1, (1,))]),
    (long_fork.check, [op(0, 9, ("read", 1, 1), ("read", 2, 0))]),
    (write_skew.check, SKEWED[:1]),
    (aborted_read.check, [RAISED, read(10, 11, 1, ())]),
    (intermediate_read.check, [PAUSED, read(2, 3, 1, ()), read(10, 11, 1, (1, 2))]),
]


def named(value):
    return value.__module__.rpartition(".")[2] if callable(value) else None


@pytest.mark.parametrize(("check", "anomaly", "history"), INVALID, ids=named)
def test_the_anomaly_is_found(check, anomaly, history):
    result = check(history)
    assert result.outcome is Outcome.INVALID
    assert list(result.counts) == [anomaly]
    assert result.witness.anomaly == anomaly
    assert set(result.witness.operations) <= set(history)


@pytest.mark.parametrize(("check", "history"), VALID, ids=named)
def test_what_may_happen_is_valid(check, history):
    assert check(history).outcome is Outcome.VALID


@pytest.mark.parametrize("check", sorted({case[0] for case in INVALID}, key=named), ids=named)
def test_without_an_acknowledged_operation_the_outcome_is_unknown(check):
    result = check([write(0, 1, 1, 1, type="info")])
    assert result.outcome is Outcome.UNKNOWN
    assert result.reason


def test_a_set_without_a_final_read_is_unknown():
    result = sets.check([append(0, 5, 1, 1), read(4, 6, 1, (1,))])
    assert result.outcome is Outcome.UNKNOWN


def test_too_many_states_are_unknown():
    history = [write(0, 100, 1, number) for number in range(1, 9)] + [read(101, 102, 1, 99)]
    assert linearizability.check(history, most_states=50).outcome is Outcome.UNKNOWN
    assert linearizability.check(history).outcome is Outcome.INVALID


def test_the_witness_of_a_long_history_is_small():
    history = [write(10 * n, 10 * n + 5, 1, n) for n in range(1, 200)]
    result = linearizability.check([*history, read(5000, 5001, 1, 198)])
    assert [operation.value for operation in result.witness.operations] == [
        (("write", 1, 198),),
        (("write", 1, 199),),
        (("read", 1, 198),),
    ]


def test_the_witness_has_no_read_whose_write_began_after_the_contradiction():
    writer, stale = write(0, 10, 1, 1), read(20, 30, 1, 0)
    under_way, later = read(25, 100, 1, 5), write(50, 60, 1, 5)
    result = linearizability.check([writer, stale, under_way, later])
    assert result.witness.operations == (writer, stale)


def test_a_line_of_before_retries_were_noted_is_of_a_first_run():
    line = to_line(RAISED).replace(',"runs":1', "")
    assert line != to_line(RAISED)
    assert from_lines([line])[0].runs == 1


def test_the_count_of_long_forks_does_not_depend_on_the_order_of_the_lines():
    one, other = (("read", 1, 1), ("read", 2, 0)), (("read", 1, 0), ("read", 2, 1))
    history = [op(n, n + 1, *steps) for n, steps in enumerate((one, other, one, other))]
    swapped = [history[0], history[2], history[1], history[3]]
    assert long_fork.check(history).counts == long_fork.check(swapped).counts == {"long fork": 3}


def test_the_count_of_lost_updates_is_what_is_missing():
    history = [add(n, n + 1, 1, 1) for n in range(0, 100, 2)] + [read(200, 201, 1, 40)]
    assert counter.check(history).counts == {"lost update": 10}


def test_a_history_survives_the_way_through_its_file():
    lines = [to_line(operation) for operation in (RAISED, PAUSED, read(0, 1, 1, (1, 2)), TRANSFER)]
    assert [to_line(operation) for operation in from_lines(lines)] == lines
    assert from_lines(lines)[2].value == (("read", 1, (1, 2)),)


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", to_line(RAISED).replace("info", "maybe"), '{"value": [["read", 1]]}']
)
def test_a_wrong_line_of_a_history_is_named(line):
    with pytest.raises(HistoryError, match="line 2"):
        from_lines([to_line(RAISED), line])
