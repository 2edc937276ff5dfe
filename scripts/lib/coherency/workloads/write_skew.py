"""Pairs of keys of which each client fills one that it has found empty: write skew."""

from scripts.lib.coherency.checkers import write_skew
from scripts.lib.coherency.workloads.base import Workload

SHARE_OF_WRITES = 0.3


def _steps(turn):
    reads = [("read", key) for key in turn.keys]
    # Most requests only read, so that rows may be cached when another request writes.
    if turn.choice.random() < SHARE_OF_WRITES and turn.once():
        return [*reads, ("write", turn.key(), turn.unique())]
    return reads


WORKLOAD = Workload("write-skew", _steps, write_skew.check, window=2, windows=100)
