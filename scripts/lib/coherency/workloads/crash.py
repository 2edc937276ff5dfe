"""Writes by handlers that raise an error afterwards: aborted reads (G1a)."""

from scripts.lib.coherency.checkers import aborted_read
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    return (
        [("write", turn.key(), turn.unique()), ("raise",)]
        if turn.often()
        else [("read", turn.key())]
    )


WORKLOAD = Workload(
    "crash",
    _steps,
    aborted_read.check,
    seen=dict.fromkeys(("default", "nocache", "recipe"), "G1a"),
)
