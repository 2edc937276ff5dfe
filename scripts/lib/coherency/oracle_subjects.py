"""The checkers that are compared with the search, and the transactions of their histories."""

import dataclasses
from collections.abc import Callable

from scripts.lib.coherency.checkers import (
    aborted_read,
    bank,
    counter,
    intermediate_read,
    linearizability,
    list_append,
    list_freshness,
    long_fork,
    phantoms,
    register,
    session,
    sets,
    snapshot,
    write_skew,
)

KEYS = (1, 2, 3, 4)
ALL = (KEYS[0], KEYS[-1])
# No order of the transfers overdraws an account.
BALANCE = 6


def _own_client(choice, number, steps):
    return number


def _one_of_two(choice, number, steps):
    return choice.choice((101, 102))


def _writer_of_key(choice, number, steps):
    """A client for each key that is written: its writes come one after the other."""
    written = [step[1] for step in steps if step[0] in ("write", "insert", "delete")]
    return 100 + written[0] if written else number


def _writer_or_any(choice, number, steps):
    """As _writer_of_key, and these clients read, too."""
    client = _writer_of_key(choice, number, steps)
    return 100 + choice.choice(KEYS) if client == number else client


@dataclasses.dataclass(frozen=True)
class Subject:
    """A checker; `steps(choice, number, key)` makes a transaction of its histories.

    finds: the anomalies that it must find in them. empty: what a key begins with, None if it
    does not exist. exact: whether it finds all that has no serial order. client: who sends one.
    """

    check: Callable
    steps: Callable
    finds: frozenset
    empty: object = 0
    exact: bool = False
    client: Callable = _own_client


def _lists(choice, number, key):
    steps = []
    for place in range(choice.randint(1, 4)):
        if choice.random() < 0.5:
            steps.append(("append", choice.choice(KEYS), 10 * number + place))
        else:
            steps.append(("read", choice.choice(KEYS)))
    return steps


def _one_append(choice, number, key):
    return [("append", 1, number) if choice.random() < 0.6 else ("read", 1)]


def _two_appends(choice, number, key):
    if choice.random() < 0.5:
        return [("read", key)]
    return [("append", key, 10 * number), ("append", key, 10 * number + 1)]


def _registers(choice, number, key):
    kinds = choice.choice([("read",), ("write",), ("read", "write")])
    return [(kind, key, number) if kind == "write" else (kind, key) for kind in kinds]


def _one_writer(choice, number, key):
    # The order of the numbers is that of the beginnings.
    return [("write", key, number) if choice.random() < 0.5 else ("read", key)]


def _one_writer_in_savepoints(choice, number, key):
    if choice.random() < 0.5:
        return [("list", ALL)]
    write = ("write", key, 10 * number)
    undone = (("write", key, 10 * number + 1),)
    return [write, ("savepoint", undone, choice.choice(("raise", None)))]


def _additions(choice, number, key):
    return [("add", key, 1) if choice.random() < 0.6 else ("read", key)]


def _transfers(choice, number, key):
    if choice.random() < 0.5:
        return [("list", ALL)]
    other = choice.choice([one for one in KEYS if one != key])
    return [("add", key, -1), ("add", other, 1)]


def _counted_inserts(choice, number, key):
    if choice.random() < 0.6 and number <= len(KEYS):
        return [("count", ALL), ("insert", number, 1)]
    return [(choice.choice(("list", "count")), ALL)]


def _changing_rows(choice, number, key):
    group = choice.choice((ALL, (1, 2), (2, 4)))
    return choice.choice(
        (
            [("insert", key, number)],
            [("insert", key, number)],
            [("write", key, number)],
            [("delete", key)],
            [("list", group)],
            [("count", group)],
            [("list", group), ("count", group)],
            [("list", group), ("count", group)],
        )
    )


def _written_together(choice, number, key):
    if choice.random() < 0.4:
        value = choice.randrange(3)
        return [("write", one, value) for one in KEYS]
    looks = (("read", key), ("list", ALL), ("list", (*ALL, 1)), ("count", (*ALL, 1)))
    return [choice.choice(looks) for _ in range(choice.randint(2, 3))]


def _written_once(choice, number, key):
    return [("read", 1), ("read", 2)] if number % 2 else [("write", number // 2, 1)]


def _filled_if_empty(choice, number, key):
    return [("read", 1), ("read", 2), ("write", choice.choice((1, 2)), number)]


def _bank(history):
    return bank.check(history, KEYS, BALANCE * len(KEYS))


def _snapshot(history):
    return snapshot.check(history, len(KEYS))


def _finds(*anomalies):
    return frozenset(anomalies)


SUBJECTS = {
    "list-append": Subject(
        list_append.check,
        _lists,
        _finds(
            *("G0", "G1a", "G1b", "G1c", "G-single", "G2-item", "G0-realtime", "G1c-realtime"),
            *("G-single-realtime", "incompatible order", "lost update", "internal"),
            *("invented value", "duplicate"),
        ),
        (),
        exact=True,
    ),
    "list-append of two clients": Subject(
        list_append.check,
        _lists,
        _finds("G0-process", "G1c-process", "G-single-process", "G2-item-process"),
        (),
        client=_one_of_two,
    ),
    "linearizable": Subject(
        linearizability.check, _registers, _finds("not linearizable"), exact=True
    ),
    "set": Subject(
        sets.check, _one_append, _finds("lost write", "aborted read", "invented value"), ()
    ),
    "counter": Subject(counter.check, _additions, _finds("lost update", "invented update")),
    "register": Subject(
        register.check,
        _one_writer,
        _finds("stale read", "aborted read", "invented value"),
        client=_writer_of_key,
    ),
    "errors": Subject(
        register.check,
        _one_writer_in_savepoints,
        _finds("stale read", "aborted read", "invented value"),
        client=_writer_of_key,
    ),
    "session": Subject(
        session.check,
        _one_writer,
        _finds("read-your-writes", "monotonic reads"),
        client=_writer_or_any,
    ),
    "bank": Subject(_bank, _transfers, _finds("torn read", "lost money"), BALANCE),
    "long-fork": Subject(long_fork.check, _written_once, _finds("long fork")),
    "write-skew": Subject(write_skew.check, _filled_if_empty, _finds("G2-item")),
    "crash": Subject(aborted_read.check, _one_append, _finds("G1a"), ()),
    "pause": Subject(intermediate_read.check, _two_appends, _finds("G1b"), ()),
    "phantom": Subject(
        phantoms.check, _counted_inserts, _finds("G2", "stale read", "invented value"), None
    ),
    "list-freshness": Subject(
        list_freshness.check,
        _changing_rows,
        _finds("stale read", "phantom"),
        None,
        client=_writer_of_key,
    ),
    "snapshot": Subject(
        _snapshot, _written_together, _finds("non-repeatable read", "read skew", "phantom")
    ),
}
