"""Elements that are uploaded and appended to lists; the bundle runs each upload at least twice."""

from scripts.lib.coherency.checkers import leftovers, list_append
from scripts.lib.coherency.checkers.result import merged
from scripts.lib.coherency.workloads.base import Workload
from scripts.lib.coherency.workloads.web_session import read_or_append


def _check(history):
    return merged(list_append.check(history), leftovers.check(history))


WORKLOAD = Workload(
    "upload",
    read_or_append,
    _check,
    value=[],
    windows=50,
    by="upload",
    seen=dict.fromkeys(("default", "nocache", "recipe"), "lost update"),
)
