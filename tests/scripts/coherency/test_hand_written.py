"""Each anomaly, in a history written by hand, and the history beside it that is valid."""

import dataclasses

import pytest

from scripts.lib.coherency.checkers import (
    aborted_read,
    bank,
    counter,
    intermediate_read,
    leftovers,
    linearizability,
    list_freshness,
    long_fork,
    phantoms,
    register,
    session,
    sets,
    snapshot,
    unasked_errors,
    write_skew,
    wrong_lists,
)
from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.history import HistoryError, from_lines, to_line
from scripts.lib.coherency.report.anomalies import explained
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


def snapshot_of_two(history):
    return snapshot.check(history, 2)


def lists_of_there(history):
    return wrong_lists.check(history, absent=False)


def lists_of_absent(history):
    return wrong_lists.check(history, absent=True)


def answered_500(*steps):
    return dataclasses.replace(op(0, 1, *steps, type="info"), odd="answered 500")


def state(t0, one, other):
    return op(t0, t0 + 1, ("read", 1, one), ("read", 2, other))


R7 = ("read", 1, (7,))
TRANSFER = op(10, 20, ("add", 1, -5), ("add", 2, 5))
RAISED = op(0, 9, ("append", 1, 7), ("raise",), type="info")
PAUSED = op(0, 9, ("append", 1, 1), ("sleep", 5), ("append", 1, 2))
SKEWED = [
    op(0, 9, ("read", 1, 0), ("read", 2, 0), ("write", 1, 1)),
    op(0, 9, ("read", 1, 0), ("read", 2, 0), ("write", 2, 1)),
]


def look(t0, *steps):
    return op(t0, t0 + 1, *steps)


def counted(seen, key):
    return op(0, 9, ("count", (1, 4), seen), ("insert", key, 1))


INSERTED = op(0, 1, ("insert", 1, 5))
DELETED = op(2, 3, ("delete", 1))
SAVED = op(0, 9, ("write", 1, 1), ("savepoint", (("write", 1, 2),), "raise"))

LATE = write(0, 1, 1, 1, type="info")

INVALID = [
    (phantoms.check, "G2", [counted(0, 1), counted(0, 2)]),
    (phantoms.check, "stale read", [INSERTED, look(2, ("list", (1, 4), ()))]),
    (phantoms.check, "stale read", [INSERTED, look(2, ("count", (1, 4), 0))]),
    (phantoms.check, "invented value", [INSERTED, look(2, ("count", (1, 4), 2))]),
    (list_freshness.check, "stale read", [INSERTED, look(2, ("list", (1, 4), ()))]),
    (list_freshness.check, "stale read", [INSERTED, look(2, ("count", (1, 4), 0))]),
    (list_freshness.check, "stale read", [INSERTED, look(2, ("list", (1, 4), ((1, 4),)))]),
    (
        list_freshness.check,
        "stale read",
        [INSERTED, DELETED, look(4, ("list", (1, 4), ((1, 5),)))],
    ),
    (
        list_freshness.check,
        "phantom",
        [op(0, 9, ("insert", 1, 5)), look(2, ("list", (1, 4), ()), ("count", (1, 4), 1))],
    ),
    (snapshot_of_two, "non-repeatable read", [look(0, ("read", 1, 0), ("read", 1, 1))]),
    (
        snapshot_of_two,
        "non-repeatable read",
        [look(0, ("read", 1, 0), ("list", (1, 2), ((1, 1), (2, 1))))],
    ),
    (snapshot_of_two, "read skew", [look(0, ("read", 1, 0), ("read", 2, 1))]),
    (snapshot_of_two, "phantom", [look(0, ("read", 1, 0), ("count", (1, 2, 0), 1))]),
    (snapshot_of_two, "phantom", [look(0, ("read", 1, 3), ("list", (1, 2, 3), ()))]),
    (leftovers.check, "G1a", [op(0, 1, ("on_commit", 1, 7), ("raise",)), look(2, R7)]),
    (leftovers.check, "duplicate", [op(0, 1, ("on_commit", 1, 7)), look(2, ("read", 1, (7, 7)))]),
    (leftovers.check, "early", [look(0, ("on_commit", 1, 7), ("read", 1, (7,)))]),
    (
        leftovers.check,
        "lost write",
        [op(0, 1, ("on_commit", 1, 7)), look(2, ("read", 1, ()))],
    ),
    (unasked_errors.check, "error", [answered_500(("write", 1, 1))]),
    (
        unasked_errors.check,
        "error",
        [answered_500(("savepoint", (("fail", "uncaught"),), None), ("write", 1, 1))],
    ),
    (lists_of_there, "wrong list", [look(0, ("list", (1, 2), ((2, 0), (1, 0))))]),
    (lists_of_there, "wrong list", [look(0, ("list", (1, 2), ((1, 0), (1, 0), (2, 0))))]),
    (lists_of_there, "wrong list", [look(0, ("list", (1, 2), ((1, 0),)))]),
    (lists_of_absent, "wrong list", [look(0, ("list", (1, 2), ((3, 0),)))]),
    (lists_of_absent, "wrong list", [look(0, ("list", (1, 2, 5), ((1, 5), (2, 4))))]),
    (leftovers.check, "leftover", [dataclasses.replace(look(0, R7), odd="two headers")]),
    (aborted_read.check, "G1a", [SAVED, read(10, 11, 1, 2)]),
    (register.check, "aborted read", [SAVED, read(10, 11, 1, 2)]),
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
    (write_skew.check, "G2-item", SKEWED),
    (aborted_read.check, "G1a", [RAISED, read(10, 11, 1, (7,))]),
    (aborted_read.check, "G1a", [write(0, 1, 1, 7, type="fail"), read(10, 11, 1, 7)]),
    (intermediate_read.check, "G1b", [PAUSED, read(2, 3, 1, (1,))]),
]

VALID = [
    (phantoms.check, [counted(0, 1), counted(1, 2), look(10, ("count", (1, 4), 2))]),
    (phantoms.check, [op(0, 9, ("insert", 1, 5)), look(2, ("count", (1, 4), 0))]),
    (list_freshness.check, [INSERTED, DELETED, look(4, ("list", (1, 4), ()))]),
    (list_freshness.check, [INSERTED, op(2, 9, ("delete", 1)), look(4, ("count", (1, 4), 1))]),
    (
        list_freshness.check,
        [op(0, 1, ("insert", 1, 5), type="info"), look(4, ("count", (1, 4), 0))],
    ),
    (snapshot_of_two, [look(0, ("read", 1, 3), ("list", (1, 2, 3), ((1, 3), (2, 3))))]),
    (leftovers.check, [op(0, 1, ("on_commit", 1, 7)), look(2, R7)]),
    (leftovers.check, [op(0, 3, ("on_commit", 1, 7)), look(2, ("read", 1, ()))]),
    (leftovers.check, [answered_500(("on_commit", 1, 7)), look(2, ("read", 1, ()))]),
    (unasked_errors.check, [answered_500(("write", 1, 1), ("raise",))]),
    (unasked_errors.check, [answered_500(("write", 1, 1), ("fail", "caught"))]),
    (unasked_errors.check, [answered_500(("fail", "caught"), ("read", 1, None))]),
    (unasked_errors.check, [write(0, 1, 1, 1, type="fail")]),
    (lists_of_there, [look(0, ("list", (1, 2), ((1, 0), (2, 0))), ("list", (1, 2, 5), ()))]),
    (lists_of_absent, [look(0, ("list", (1, 2), ((2, 0),)))]),
    (register.check, [SAVED, read(10, 11, 1, 1)]),
    (register.check, [write(0, 3, 1, 1), read(1, 2, 1, 1), read(1, 2, 1, 0)]),
    (register.check, [write(0, 3, 1, 1, type="info"), read(9, 10, 1, 0), read(11, 12, 1, 1)]),
    (register.check, [LATE, write(2, 3, 1, 2), read(4, 5, 1, 1)]),
    (session.check, [read(0, 1, 1, 3, client=1), read(2, 3, 1, 2, client=2)]),
    (session.check, [LATE, read(2, 3, 1, 3, client=1), read(4, 5, 1, 1, client=1)]),
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
    assert explained(anomaly)
    assert result.witness.anomaly == anomaly
    assert set(result.witness.operations) <= set(history)


@pytest.mark.parametrize(("check", "history"), VALID, ids=named)
def test_what_may_happen_is_valid(check, history):
    assert check(history).outcome is Outcome.VALID


# These look at a history beside another check.
BESIDE = {unasked_errors.check, lists_of_there, lists_of_absent}


@pytest.mark.parametrize(
    "check", sorted({case[0] for case in INVALID} - BESIDE, key=named), ids=named
)
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


def test_writes_of_unknown_outcome_that_nobody_read_do_not_count_among_the_states():
    left = [write(0, 1, 1, number, type="info") for number in range(1, 30)]
    history = [*left, read(50, 51, 1, 7), read(60, 61, 1, 7), write(70, 71, 1, 99)]
    assert linearizability.check(history, most_states=50).outcome is Outcome.VALID
    back = [*history, read(80, 81, 1, 7)]
    assert linearizability.check(back, most_states=50).outcome is Outcome.INVALID
    later = [*history, read(80, 81, 1, 8), read(90, 91, 1, 99)]
    assert linearizability.check(later, most_states=50).outcome is Outcome.INVALID


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


def test_a_line_without_the_number_of_runs_is_of_a_first_run():
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


def test_steps_in_savepoints_stand_among_the_others_unless_they_were_undone():
    lasting = ("savepoint", (("write", 1, 2), ("list", (3, 4), ((3, 7),))), None)
    undone = ("savepoint", (("write", 1, 4), ("fail", "uncaught")), None)
    operation = op(
        0, 1, ("write", 1, 1), lasting, undone, ("savepoint", (("add", 5, 1),), "raise")
    )
    assert operation.done == (("write", 1, 1), ("write", 1, 2), ("read", 3, 7))
    assert operation.undone == (("write", 1, 4), ("fail", "uncaught"), ("add", 5, 1))
    assert [to_line(one) for one in from_lines([to_line(operation)])] == [to_line(operation)]
    assert from_lines([to_line(operation)])[0].value == operation.value


@pytest.mark.parametrize(
    ("type", "steps", "aborted"),
    [
        ("ok", [("write", 1, 1)], False),
        ("info", [("write", 1, 1)], False),
        ("fail", [("write", 1, 1)], True),
        ("info", [("write", 1, 1), ("fail", "uncaught")], True),
        ("info", [("write", 1, 1), ("fail", "caught")], True),
        ("ok", [("write", 1, 1), ("fail", "caught")], False),
    ],
)
def test_what_must_have_had_no_effect(type, steps, aborted):
    assert op(0, 1, *steps, type=type).aborted is aborted
