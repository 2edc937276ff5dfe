"""Transactions of which each part is done as a chunk of the answer is made: cycles of them."""

from scripts.lib.coherency.checkers import list_append
from scripts.lib.coherency.workloads.base import Workload
from scripts.lib.coherency.workloads.list_append import with_errors

WORKLOAD = Workload(
    "stream",
    with_errors,
    list_append.check,
    value=[],
    windows=50,
    cycles=True,
    by="streams",
)
