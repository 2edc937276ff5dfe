"""The requests of snapshot, of which each part is done as a chunk of the answer is made."""

from scripts.lib.coherency.workloads.base import Workload
from scripts.lib.coherency.workloads.snapshot import SIZE, check, reads_and_writes

WORKLOAD = Workload("stream", reads_and_writes, check, window=SIZE, by="streams")
