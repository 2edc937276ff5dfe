"""Intermediate reads (G1b): a value that its own transaction had overwritten is visible."""

from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import elements, reads


def check(history):
    """Return the Result; no value is written twice to a key. Anomaly: "G1b"."""
    findings = Findings()
    find(findings, history)
    return findings.result(any(True for _ in reads(history)))


def find(findings, history):
    """Add each read that ends between two writes or appends of one transaction to a key."""
    passing = {}
    for operation in history:
        last = {}
        for key, value in operation.steps("write") + operation.steps("append"):
            if key in last:
                passing[key, last[key]] = operation
            last[key] = value
    for operation, key, seen in reads(history):
        newest = elements(seen)[-1:]
        writer = passing.get((key, *newest))
        if writer is not None and writer is not operation:
            reason = f"key {key} ends with {newest[0]}, which its writer then overwrote"
            findings.add("G1b", (writer, operation), reason)
