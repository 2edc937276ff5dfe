"""Transactions that read and append to lists: cycles of them, G0 to G2."""

from scripts.lib.coherency.checkers import list_append
from scripts.lib.coherency.workloads.base import Workload

SHARE_OF_ERRORS = 0.15


def reads_and_appends(turn):
    """Up to four reads of a key, lists of all keys of the window and appends to a key."""
    return [_step(turn) for _ in range(turn.choice.randint(1, 4))]


def with_errors(turn):
    """As reads_and_appends; some of what writes raises an error then."""
    steps = reads_and_appends(turn)
    writes = any(step[0] == "append" for step in steps)
    return [*steps, ("raise",)] if writes and turn.choice.random() < SHARE_OF_ERRORS else steps


def _step(turn):
    if turn.often():
        return ("append", turn.key(), turn.unique())
    if turn.choice.random() < 0.25:
        return ("list", (turn.keys[0], turn.keys[-1]))
    return ("read", turn.key())


WORKLOAD = Workload(
    "list-append", reads_and_appends, list_append.check, value=[], windows=50, cycles=True
)
