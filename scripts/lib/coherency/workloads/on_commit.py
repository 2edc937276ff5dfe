"""Appends that must follow a commit, of requests that are run again or raise an error."""

from scripts.lib.coherency.checkers import leftovers
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    if turn.often():
        return [("read", turn.keys[1])]
    first, second = turn.keys
    later = [("append", first, turn.unique()), ("on_commit", second, turn.unique())]
    return turn.choice.choice(
        [
            [*later, ("read", second)],
            [*later, ("raise",)],
            [("append", first, turn.unique()), ("savepoint", tuple(later), "raise")],
        ]
    )


WORKLOAD = Workload(
    "on-commit", _steps, leftovers.check, value=[], window=2, windows=50, by="get",
    seen=dict.fromkeys(("default", "nocache", "recipe"), "G1a"),
)  # fmt: skip
