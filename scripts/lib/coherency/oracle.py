"""scripts/coherency --oracle: the checkers against a search through all orders of transactions.

On small random histories, valid and broken ones, a checker that claims to be exact must say what
the search says, and any other must never call one invalid that has a serial order. The exit
status is 0 if all agree, else 1.
"""

import collections
import dataclasses
import random

from scripts.lib.coherency.checkers import (
    counter,
    linearizability,
    list_append,
    register,
    sets,
)
from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.history import Operation, to_line

MOST_TRANSACTIONS = 6
KEYS = (1, 2, 3, 4)
TYPES = ("ok",) * 6 + ("info", "fail")


class DisagreementError(Exception):
    """A checker and the search differ; the message has the history."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """A checker; `steps(choice, number, key)` makes a transaction of its histories.

    empty: what a key begins with. exact: whether it finds all that has no serial order.
    """

    check: object
    steps: object
    empty: object
    exact: bool


def has_serial_order(history, empty):
    """Whether some order of the transactions explains each read and agrees with their times.

    Each acknowledged one is in it; one of unknown outcome may be; one that failed is not. `empty`:
    what a key begins with. It tries all orders, so that a history must be small.
    """
    candidates = [operation for operation in history if not operation.aborted]
    return _fits(candidates, {}, empty)


def _fits(left, state, empty):
    if not any(operation.ok for operation in left):
        return True
    first_end = min(operation.t1 for operation in left if operation.ok)
    for operation in left:
        # Nothing comes before what had ended before it began.
        if operation.t0 <= first_end:
            after = _applied(operation, state, empty)
            rest = [other for other in left if other is not operation]
            if after is not None and _fits(rest, after, empty):
                return True
    return False


def _applied(operation, state, empty):
    """The state after an operation, or None where its reads do not fit."""
    state = dict(state)
    for kind, key, value in operation.done:
        old = state.get(key, empty)
        if kind == "read":
            if operation.ok and value != old:
                return None
        elif kind == "append":
            state[key] = (*old, value)
        else:
            state[key] = value if kind == "write" else old + value
    return state


def _lists(choice, number, key):
    steps = []
    for place in range(choice.randint(1, 4)):
        if choice.random() < 0.5:
            steps.append(("append", choice.choice(KEYS), 10 * number + place))
        else:
            steps.append(("read", choice.choice(KEYS)))
    return steps


def _registers(choice, number, key):
    kinds = choice.choice([("read",), ("write",), ("read", "write")])
    return [(kind, key, number) if kind == "write" else (kind, key) for kind in kinds]


def _one_writer(choice, number, key):
    # The order of the numbers is that of the beginnings.
    return [("write", key, number) if choice.random() < 0.5 else ("read", key)]


def _additions(choice, number, key):
    return [("add", key, 1) if choice.random() < 0.6 else ("read", key)]


SUBJECTS = {
    "list-append": Subject(list_append.check, _lists, (), exact=True),
    "linearizable": Subject(linearizability.check, _registers, 0, exact=True),
    "set": Subject(sets.check, _lists, (), exact=False),
    "counter": Subject(counter.check, _additions, 0, exact=False),
    "register": Subject(register.check, _one_writer, 0, exact=False),
}


def random_history(subject, choice):
    """A history of at most MOST_TRANSACTIONS with a serial order, perhaps broken afterwards."""
    keys = KEYS[: choice.randint(1, len(KEYS))]
    state, history = {}, []
    one_client = subject.steps is _one_writer
    for number in range(1, choice.randint(2, MOST_TRANSACTIONS) + 1):
        steps = subject.steps(choice, number, choice.choice(keys))
        type = choice.choice(TYPES)
        t0 = 100 * number - choice.randint(0, 0 if one_client else 250)
        t1 = 100 * number + choice.randint(0, 90 if one_client else 250)
        value, after = _executed(steps, state, subject.empty, answered=type == "ok")
        if type == "ok" or (type == "info" and choice.random() < 0.5):
            state = after
        history.append(Operation(client=number, type=type, t0=t0, t1=t1, value=value))
    for _ in range(choice.choice((0, 1, 1, 2))):
        history = _broken(history, choice, may_move=subject.exact)
    return history


def _executed(steps, state, empty, answered):
    state, value = dict(state), []
    for kind, key, *given in steps:
        old = state.get(key, empty)
        if kind == "read":
            value.append((kind, key, old if answered else None))
            continue
        value.append((kind, key, *given))
        state[key] = {
            "append": lambda: (*old, given[0]),  # noqa: B023
            "write": lambda: given[0],  # noqa: B023
            "add": lambda: old + given[0],  # noqa: B023
        }[kind]()
    return tuple(value), state


def _broken(history, choice, may_move):
    """The history with one read or one time changed, which may leave it valid."""
    number = choice.randrange(len(history))
    operation = history[number]
    places = [place for place, step in enumerate(operation.value) if step[0] == "read"]
    if operation.ok and places and choice.random() < 0.8:
        place = choice.choice(places)
        key = operation.value[place][1]
        seen = [
            step[2]
            for other in history
            if other.ok
            for step in other.value
            if step[:2] == ("read", key)
        ]
        wrong = _wrong(operation.value[place][2], seen, choice)
        value = list(operation.value)
        value[place] = ("read", key, wrong)
        operation = dataclasses.replace(operation, value=tuple(value))
    elif may_move:
        moved = choice.choice((-150, 150))
        operation = dataclasses.replace(
            operation, t0=operation.t0 + moved, t1=operation.t1 + moved
        )
    return [*history[:number], operation, *history[number + 1 :]]


def _wrong(value, seen, choice):
    if choice.random() < 0.5:
        return choice.choice(seen)
    if isinstance(value, int):
        return max(0, value + choice.choice((-1, 1)))
    return choice.choice((value[:-1], value[1:], value[::-1]))


def compare(name, count, seed):
    """Compare a subject's verdicts on `count` random histories; returns a Counter of them.

    Raises DisagreementError.
    """
    subject = SUBJECTS[name]
    choice = random.Random(f"{name} {seed}")
    verdicts = collections.Counter()
    for _ in range(count):
        history = random_history(subject, choice)
        serial = has_serial_order(history, subject.empty)
        found = subject.check(history).outcome
        verdicts["serial" if serial else "not serial"] += 1
        verdicts["found"] += found is Outcome.INVALID
        wrong = found is Outcome.INVALID if serial else found is Outcome.VALID and subject.exact
        if wrong:
            told = f"{name}: the checker says {found.name.lower()}, the search {serial=}, of"
            raise DisagreementError("\n".join([told, *map(to_line, history)]))
    return verdicts


def main(count, seed):
    """Compare every subject on `count` histories and print what was found; returns the status."""
    print("| checker | histories | with a serial order | without | found invalid |")
    print("|---|---|---|---|---|")
    for name in SUBJECTS:
        try:
            verdicts = compare(name, count, seed)
        except DisagreementError as error:
            print(error)
            return 1
        print(
            f"| {name} | {count:,} | {verdicts['serial']:,} | {verdicts['not serial']:,} "
            f"| {verdicts['found']:,} |"
        )
    return 0
