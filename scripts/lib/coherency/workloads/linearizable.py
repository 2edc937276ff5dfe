"""Registers that every client reads and writes: is there one order of all operations?"""

from scripts.lib.coherency.checkers import linearizability
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    key = turn.key()
    kinds = turn.choice.choice([("read",), ("write",), ("read", "write")])
    return [(kind, key, turn.unique()) if kind == "write" else (kind, key) for kind in kinds]


WORKLOAD = Workload("linearizable", _steps, linearizability.check, windows=20)
