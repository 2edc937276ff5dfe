"""Keys that one client each inserts, writes and deletes, listed and counted by all."""

from scripts.lib.coherency.checkers import list_freshness
from scripts.lib.coherency.workloads.base import Workload

# An outcome that nobody knows leaves the client with a wrong guess, which this corrects.
AT_RANDOM = 0.1


def _steps(turn):
    if turn.client > len(turn.keys) or turn.often():
        group = _group(turn)
        return [(kind, group) for kind in turn.choice.choice(READS)]
    own = turn.keys[turn.client - 1]
    there = (own in turn.done) is not (turn.choice.random() < AT_RANDOM)
    if there and turn.often():
        return [("write", own, turn.unique())]
    turn.done ^= {own}
    return [("delete", own)] if there else [("insert", own, turn.unique())]


def _group(turn):
    """All keys or a part of them: rows may have been kept of one list and not of another."""
    first, last = sorted(turn.choice.choices(turn.keys, k=2))
    return (turn.keys[0], turn.keys[-1]) if turn.often() else (first, last)


READS = (("list",), ("count",), ("list", "count"), ("count", "list"))
WORKLOAD = Workload("list-freshness", _steps, list_freshness.check, window=6, absent=True)
