"""Registers with one writer each, read by all: stale reads."""

from scripts.lib.coherency.checkers import register
from scripts.lib.coherency.workloads.base import Workload


def own_register(turn):
    """A write of the client's own register, if there is one for it, or a read of any or all."""
    own = turn.keys[turn.client % len(turn.keys)]
    if turn.client <= len(turn.keys) and turn.often():
        return [("write", own, turn.unique())]
    return [("list", (turn.keys[0], turn.keys[-1]))] if turn.often() else [("read", turn.key())]


WORKLOAD = Workload("register", own_register, register.check, seen={"default": "stale read"})
