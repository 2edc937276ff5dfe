"""Registers with one writer each, with errors in the middle of requests, in savepoints or not."""

from app.lab.accepted import MOST_KEYS
from scripts.lib.coherency.checkers import register
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    own = turn.keys[turn.client % len(turn.keys)]
    if turn.client <= len(turn.keys) and turn.often():
        return turn.choice.choice(WRITES)(own, turn)
    return turn.choice.choice(READS)(turn.key(), (turn.keys[0], turn.keys[-1]))


MISSING = MOST_KEYS
FAILING = ("fail", "uncaught")
WRITES = (
    lambda key, turn: [("write", key, turn.unique())],
    lambda key, turn: [("write", key, turn.unique()), FAILING],
    lambda key, turn: [("write", key, turn.unique()), ("fail", "caught")],
    lambda key, turn: [("write", key, turn.unique()), ("raise",)],
    lambda key, turn: [("write", key, turn.unique()), ("delete", MISSING)],
    lambda key, turn: [
        ("write", key, turn.unique()),
        ("savepoint", (("write", key, turn.unique()),), "raise"),
        ("read", key),
    ],
    lambda key, turn: [
        ("savepoint", (("write", key, turn.unique()), FAILING), None),
        ("read", key),
    ],
    lambda key, turn: [("savepoint", (("write", key, turn.unique()),), None), ("read", key)],
)
READS = (
    lambda key, all: [("read", key)],
    lambda key, all: [("list", all)],
    lambda key, all: [("fail", "caught"), ("read", key)],
    lambda key, all: [("fail", "caught"), ("list", all)],
    lambda key, all: [("read", key), ("fail", "caught"), ("list", all)],
    lambda key, all: [("savepoint", (FAILING,), None), ("read", key), ("list", all)],
)
WORKLOAD = Workload(
    "errors",
    _steps,
    register.check,
    seen=dict.fromkeys(("default", "nocache", "recipe"), "aborted read"),
)
