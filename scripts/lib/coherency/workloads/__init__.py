"""What the clients do to show each anomaly, how it is checked, and where it must be seen.

A workload has a range of keys of its own, so that no process has cached them from another. Its
clients go together through windows of these keys, for lists must not grow without bound and some
keys be written only once.
"""

import dataclasses
import random
from collections.abc import Callable

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

KEYS_EACH = 400
BALANCE = 1_000_000
ACCOUNTS = 8


@dataclasses.dataclass
class Turn:
    """What a client knows when it makes its next request."""

    client: int
    choice: random.Random
    keys: range = range(0)
    count: int = 0
    done: set = dataclasses.field(default_factory=set)

    def unique(self):
        """A number that no client has had before, above this client's earlier ones."""
        self.count += 1
        return self.client * 10**9 + self.count

    def once(self):
        """Whether this is the first call in this window of keys."""
        first = self.keys.start not in self.done
        self.done.add(self.keys.start)
        return first

    def key(self):
        """A random key of the window."""
        return self.choice.choice(self.keys)

    def often(self):
        """True for one half of the calls."""
        return self.choice.random() < 0.5


@dataclasses.dataclass(frozen=True)
class Workload:
    """One of the WORKLOADS; its place among them gives its keys.

    steps: makes a Turn's steps. check: history to Result. value: what the keys begin with.
    window: how many keys are used at once. seen: {mode: the anomaly that must be seen there}.
    cycles: it is checked for an order of all transactions, which reading requests have only where
    they are serializable: on a database server they see one committed snapshot.
    """

    steps: Callable
    check: Callable
    value: int | list = 0
    window: int = 4
    windows: int = 1
    seen: dict = dataclasses.field(default_factory=dict)
    cycles: bool = False


def _own_register(turn):
    own = turn.keys[turn.client % len(turn.keys)]
    if turn.client <= len(turn.keys) and turn.often():
        return [("write", own, turn.unique())]
    return [("read", turn.key())]


def _any_register(turn):
    key = turn.key()
    kinds = turn.choice.choice([("read",), ("write",), ("read", "write")])
    return [(kind, key, turn.unique()) if kind == "write" else (kind, key) for kind in kinds]


def _additions(turn):
    return [("add", turn.key(), 1)] if turn.choice.random() < 0.8 else [("read", turn.key())]


def _transfers(turn):
    if turn.often():
        return [("read", key) for key in turn.keys]
    one, other = turn.choice.sample(turn.keys, 2)
    amount = turn.choice.randint(1, 5)
    return [("add", one, -amount), ("add", other, amount)]


def _elements(turn):
    return [("append", turn.key(), turn.unique())]


def _lists(turn):
    return [
        ("append", turn.key(), turn.unique()) if turn.often() else ("read", turn.key())
        for _ in range(turn.choice.randint(1, 4))
    ]


def _fork(turn):
    if turn.client <= len(turn.keys) and turn.once():
        return [("write", turn.keys[turn.client - 1], 1)]
    return [("read", key) for key in turn.keys]


def _skew(turn):
    reads = [("read", key) for key in turn.keys]
    if turn.once():
        return [*reads, ("write", turn.key(), 1)]
    return reads


def _crash(turn):
    return (
        [("write", turn.key(), turn.unique()), ("raise",)]
        if turn.often()
        else [("read", turn.key())]
    )


def _pause(turn):
    key = turn.key()
    if turn.often():
        return [("append", key, turn.unique()), ("sleep", 3), ("append", key, turn.unique())]
    return [("read", key)]


def _check_bank(history):
    first = first_key("bank")
    return bank.check(history, range(first, first + ACCOUNTS), ACCOUNTS * BALANCE)


WORKLOADS = {
    "register": Workload(_own_register, register.check, seen={"default": "stale read"}),
    "session": Workload(_own_register, session.check),
    "linearizable": Workload(_any_register, linearizability.check, windows=20),
    "counter": Workload(
        _additions,
        counter.check,
        window=2,
        seen=dict.fromkeys(("default", "nocache", "recipe"), "lost update"),
    ),
    "bank": Workload(_transfers, _check_bank, value=BALANCE, window=ACCOUNTS),
    "set": Workload(_elements, sets.check, value=[], windows=20),
    "list-append": Workload(_lists, list_append.check, value=[], windows=50, cycles=True),
    "long-fork": Workload(_fork, long_fork.check, window=2, windows=100),
    "write-skew": Workload(_skew, write_skew.check, window=2, windows=100),
    "crash": Workload(
        _crash,
        aborted_read.check,
        seen=dict.fromkeys(("default", "nocache", "recipe"), "G1a"),
    ),
    "pause": Workload(_pause, intermediate_read.check, value=[], windows=20),
}


def first_key(name):
    """The first of the KEYS_EACH keys of a workload."""
    return 1 + KEYS_EACH * list(WORKLOADS).index(name)
