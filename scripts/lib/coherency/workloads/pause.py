"""Transactions that append twice and pause between: intermediate reads (G1b)."""

from scripts.lib.coherency.checkers import intermediate_read
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    key = turn.key()
    if turn.often():
        return [("append", key, turn.unique()), ("sleep", 3), ("append", key, turn.unique())]
    return [("read", key)]


WORKLOAD = Workload("pause", _steps, intermediate_read.check, value=[], windows=20)
