"""Groups of keys that each client counts and inserts into once: phantoms, G2 by a predicate."""

from scripts.lib.coherency.checkers import phantoms
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    group = (turn.keys[0], turn.keys[-1])
    if turn.client <= len(turn.keys) and turn.once():
        return [("count", group), ("insert", turn.keys[turn.client - 1], 1)]
    return [("list" if turn.often() else "count", group)]


WORKLOAD = Workload(
    "phantom",
    _steps,
    phantoms.check,
    window=15,
    windows=26,
    absent=True,
    seen=dict.fromkeys(("default", "nocache", "recipe"), "G2"),
)
