"""Sets that elements are only added to, stored as lists: lost writes."""

from scripts.lib.coherency.checkers import sets
from scripts.lib.coherency.workloads.base import Workload


def _steps(turn):
    return [("append", turn.key(), turn.unique())]


WORKLOAD = Workload("set", _steps, sets.check, value=[], windows=20)
