"""The registers again, looked at client by client: reads that go back in time."""

from scripts.lib.coherency.checkers import session
from scripts.lib.coherency.workloads.base import Workload
from scripts.lib.coherency.workloads.register import own_register

WORKLOAD = Workload("session", own_register, session.check)
