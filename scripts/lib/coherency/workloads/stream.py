"""The requests of snapshot, of which each part is done as a chunk of the answer is made."""

from scripts.lib.coherency.history import reads_only
from scripts.lib.coherency.workloads.base import Workload
from scripts.lib.coherency.workloads.snapshot import SIZE, check, reads_and_writes


def _steps(turn):
    steps = reads_and_writes(turn)
    # A write conflicts with one that came after this read: when the first chunk is made.
    return steps if reads_only(steps) else [("read", turn.key()), *steps]


WORKLOAD = Workload("stream", _steps, check, window=SIZE, by="streams")
