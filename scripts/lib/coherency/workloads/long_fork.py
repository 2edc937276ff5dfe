"""Pairs of keys written once by two clients, and read together: forks."""

from scripts.lib.coherency.checkers import long_fork
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    if turn.client <= len(turn.keys) and turn.once():
        return [("write", turn.keys[turn.client - 1], 1)]
    return [("read", key) for key in turn.keys]


WORKLOAD = Workload("long-fork", _steps, long_fork.check, window=2, windows=100)
