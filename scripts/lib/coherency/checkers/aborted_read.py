"""Aborted reads (G1a): a value whose transaction was rolled back is visible."""

from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import elements, reads

WRITING = ("write", "append", "insert", "on_commit")


def check(history):
    """Return the Result; no value is written twice to a key. Anomaly: "G1a"."""
    findings = Findings()
    find(findings, history)
    return findings.result(any(True for _ in reads(history)))


def without_effect(operation):
    """Yield (key, value) of each write of an operation that must have had no effect."""
    for step in operation.done if operation.aborted else operation.undone:
        if step[0] in WRITING:
            yield step[1:]


def find(findings, history):
    """Add each acknowledged read of an aborted write or append to the findings."""
    undone = {}
    for operation in history:
        for key, value in without_effect(operation):
            undone[key, value] = operation
    for operation, key, seen in reads(history):
        for value in elements(seen):
            writer = undone.get((key, value))
            if writer is not None:
                reason = f"{value} was rolled back and is visible in key {key}"
                findings.add("G1a", (writer, operation), reason)
