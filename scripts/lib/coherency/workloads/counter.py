"""Counters that are only added to: lost updates."""

from scripts.lib.coherency.checkers import counter
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    return [("add", turn.key(), 1)] if turn.choice.random() < 0.8 else [("read", turn.key())]


WORKLOAD = Workload(
    "counter",
    _steps,
    counter.check,
    window=2,
    seen=dict.fromkeys(("default", "nocache", "recipe"), "lost update"),
)
