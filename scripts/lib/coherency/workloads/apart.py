"""Transactions that a handler without one has run, each by in_transaction: cycles of them."""

from scripts.lib.coherency.checkers import list_append
from scripts.lib.coherency.workloads.base import Workload
from scripts.lib.coherency.workloads.list_append import with_errors

WORKLOAD = Workload(
    "apart",
    with_errors,
    list_append.check,
    value=[],
    windows=50,
    cycles=True,
    by="apart",
)
