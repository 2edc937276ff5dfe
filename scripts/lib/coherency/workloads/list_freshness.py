"""Keys that one client each inserts, writes and deletes, listed and counted by all."""

from scripts.lib.coherency.checkers import list_freshness
from scripts.lib.coherency.workloads.base import Workload

# After an unknown outcome a client's guess may be wrong, which this corrects.
AT_RANDOM = 0.1


def _steps(turn):
    if turn.client > len(turn.keys) or turn.often():
        group = (turn.keys[0], turn.keys[-1])
        return [(kind, group) for kind in turn.choice.choice(READS)]
    own = turn.keys[turn.client - 1]
    there = (own in turn.done) is not (turn.choice.random() < AT_RANDOM)
    if there and turn.often():
        return [("write", own, turn.unique())]
    turn.done ^= {own}
    return [("delete", own)] if there else [("insert", own, turn.unique())]


READS = (("list",), ("count",), ("list", "count"), ("count", "list"))
WORKLOAD = Workload("list-freshness", _steps, list_freshness.check, window=6, absent=True)
