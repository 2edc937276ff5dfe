"""Transactions that read and append to lists: cycles of them, G0 to G2."""

from scripts.lib.coherency.checkers import list_append
from scripts.lib.coherency.workloads.base import Workload


def reads_and_appends(turn):
    """Up to four reads of a key, lists of all keys of the window and appends to a key."""
    return [_step(turn) for _ in range(turn.choice.randint(1, 4))]


def _step(turn):
    if turn.often():
        return ("append", turn.key(), turn.unique())
    if turn.choice.random() < 0.25:
        return ("list", (turn.keys[0], turn.keys[-1]))
    return ("read", turn.key())


WORKLOAD = Workload(
    "list-append", reads_and_appends, list_append.check, value=[], windows=50, cycles=True
)
