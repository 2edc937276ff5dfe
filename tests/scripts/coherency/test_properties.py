"""A history with a serial order is valid, however its operations overlap; spoilt it is not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.coherency.checkers import (
    aborted_read,
    bank,
    counter,
    intermediate_read,
    linearizability,
    list_append,
    long_fork,
    register,
    session,
    sets,
    write_skew,
)
from scripts.lib.coherency.checkers.result import Outcome
from tests.scripts.coherency.histories import changed, concurrent, one_after_the_other, run

ACCOUNTS = [1, 2, 3]
KEYS = st.sampled_from([1, 2, 3])


def one_writer(draw, number):
    kind, key = draw(st.sampled_from(["read", "write"])), draw(KEYS)
    return [(kind, key, number) if kind == "write" else (kind, key)]


def several_writers(draw, number):
    key = draw(KEYS)
    return draw(
        st.sampled_from(
            [[("read", key)], [("write", key, number)], [("read", key), ("write", key, number)]]
        )
    )


def additions(draw, number):
    kind, key = draw(st.sampled_from(["read", "add"])), draw(KEYS)
    return [(kind, key, draw(st.integers(1, 9))) if kind == "add" else (kind, key)]


def transfers(draw, number):
    if draw(st.booleans()):
        return [("read", account) for account in ACCOUNTS]
    one, other = draw(st.permutations(ACCOUNTS))[:2]
    amount = draw(st.integers(1, 5))
    return [("add", one, -amount), ("add", other, amount)]


def lists(draw, number):
    steps = []
    for place in range(draw(st.integers(1, 4))):
        kind, key = draw(st.sampled_from(["read", "append"])), draw(KEYS)
        steps.append((kind, key, 10 * number + place) if kind == "append" else (kind, key))
    return steps


def group(draw, number):
    if number <= len(ACCOUNTS):
        return [("write", number, 1)]
    return [("read", key) for key in ACCOUNTS]


def check_bank(history):
    # These transfers may overdraw: the accounts begin with 0.
    result = bank.check(history, ACCOUNTS, 0)
    return {kind: n for kind, n in result.counts.items() if kind != "negative balance"}


def assert_not_invalid(result):
    assert result.outcome is not Outcome.INVALID, result.witness


@pytest.mark.parametrize(
    ("check", "steps", "has_lists"),
    [
        (register.check, one_writer, False),
        (session.check, one_writer, False),
        (linearizability.check, several_writers, False),
        (counter.check, additions, False),
        (sets.check, lists, True),
        (list_append.check, lists, True),
        (aborted_read.check, lists, True),
        (intermediate_read.check, lists, True),
        (long_fork.check, group, False),
    ],
    ids=lambda value: getattr(value, "__module__", None),
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_took_effect_in_some_order_is_never_invalid(check, steps, has_lists, data):
    assert_not_invalid(check(data.draw(concurrent(steps, has_lists))))


@settings(max_examples=60, deadline=None)
@given(concurrent(transfers, False))
def test_no_money_is_lost_in_what_took_effect_in_some_order(history):
    assert check_bank(history) == {}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_one_transaction_fills_a_group_that_it_found_empty(data):
    def fill(draw, number):
        return [("read", 1), ("read", 2), ("add", draw(st.sampled_from([1, 2])), 1)]

    assert_not_invalid(write_skew.check(data.draw(concurrent(fill, False))))


def serial(seed, steps, has_lists):
    """A serial history of 60 transactions, followed by reads of every key."""
    choice = random.Random(seed)

    def transaction(number):
        return steps(choice, number)

    final = [[("read", key) for key in ACCOUNTS]]
    done, _ = run([transaction(number) for number in range(1, 61)] + final, has_lists)
    return one_after_the_other(done)


def random_lists(choice, number):
    kinds = choice.choices(["read", "append"], k=choice.randint(1, 4))
    steps = []
    for place, kind in enumerate(kinds):
        key = choice.choice(ACCOUNTS)
        steps.append((kind, key, 10 * number + place) if kind == "append" else (kind, key))
    return steps


def random_register(choice, number):
    kind, key = choice.choice(["read", "write"]), choice.choice(ACCOUNTS)
    return [(kind, key, number) if kind == "write" else (kind, key)]


def random_additions(choice, number):
    kind, key = choice.choice(["read", "add"]), choice.choice(ACCOUNTS)
    return [(kind, key, 1) if kind == "add" else (kind, key)]


SPOILT = [
    (register.check, random_register, False),
    (linearizability.check, random_register, False),
    (counter.check, random_additions, False),
    (list_append.check, random_lists, True),
]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("check", "steps", "has_lists"), SPOILT)
def test_two_swapped_reads_are_caught(check, steps, has_lists, seed):
    history = serial(seed, steps, has_lists)
    assert check(history).outcome is Outcome.VALID
    choice = random.Random(seed)
    plain = [
        (number, operation.value[0])
        for number, operation in enumerate(history)
        if len(operation.value) == 1 and operation.value[0][0] == "read"
    ]
    one, other = choice.choice(
        [
            (left, right)
            for left in plain
            for right in plain
            if left[1][1] == right[1][1] and left[1][2] != right[1][2]
        ]
    )
    swapped = changed(changed(history, one[0], [other[1]]), other[0], [one[1]])
    assert check(swapped).outcome is Outcome.INVALID


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("check", "steps", "has_lists"), [*SPOILT, (sets.check, *SPOILT[3][1:])])
def test_an_acknowledged_write_that_is_dropped_is_caught(check, steps, has_lists, seed):
    """The write had no effect on what came after it, up to the final read of every key."""
    choice = random.Random(seed)
    planned = [steps(choice, number) for number in range(1, 61)]
    final = [[("read", key) for key in ACCOUNTS]]
    last = {}
    for number, transaction in enumerate(planned):
        for step in transaction:
            if step[0] != "read":
                last[step[1]] = number
    dropped = choice.choice(sorted(last.values()))
    without = [
        [step for step in transaction if step[0] == "read"] if number == dropped else transaction
        for number, transaction in enumerate(planned)
    ]
    done, _ = run(without + final, has_lists)
    answers = iter(done[dropped])
    done[dropped] = tuple(
        next(answers) if step[0] == "read" else step for step in planned[dropped]
    )
    assert check(one_after_the_other(done)).outcome is Outcome.INVALID


@pytest.mark.parametrize("seed", range(10))
def test_one_balance_read_wrongly_is_caught(seed):
    choice = random.Random(seed)

    def steps(choice, number):
        one, other = choice.sample(ACCOUNTS, 2)
        return [("add", one, -1), ("add", other, 1)]

    history = serial(seed, steps, False)
    assert check_bank(history) == {}
    balances = list(history[-1].value)
    place = choice.randrange(len(balances))
    balances[place] = (*balances[place][:2], balances[place][2] + choice.choice([-1, 1]))
    assert check_bank(changed(history, len(history) - 1, balances)) == {"lost money": 1}
