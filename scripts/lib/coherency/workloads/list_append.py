"""Transactions that read and append to lists: cycles of them, G0 to G2."""

from scripts.lib.coherency.checkers import list_append
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    return [
        ("append", turn.key(), turn.unique()) if turn.often() else ("read", turn.key())
        for _ in range(turn.choice.randint(1, 4))
    ]


WORKLOAD = Workload("list-append", _steps, list_append.check, value=[], windows=50, cycles=True)
