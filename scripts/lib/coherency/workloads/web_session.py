"""Web sessions that several clients share, which each request reads and appends to."""

from scripts.lib.coherency.checkers import list_append
from scripts.lib.coherency.workloads.base import Workload


def read_or_append(turn):
    """A read of a key, or a read followed by an append to it."""
    key = turn.key()
    return [("read", key), ("append", key, turn.unique())] if turn.often() else [("read", key)]


WORKLOAD = Workload(
    "web-session",
    read_or_append,
    list_append.check,
    value=[],
    windows=50,
    by="session",
    seen=dict.fromkeys(("default", "nocache", "recipe"), "lost update"),
)
