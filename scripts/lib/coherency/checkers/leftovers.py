"""What a rolled-back run of a handler has left, and what a run did before its commit."""

from scripts.lib.coherency.checkers import aborted_read
from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import reads


def check(history):
    """Return the Result; no value is appended twice.

    Anomalies: "leftover", an answer with a header of another run; "duplicate", an element that a
    list has twice; "early", a read before the commit of what must follow the commit; "G1a".
    """
    findings = Findings()
    aborted_read.find(findings, history)
    checked = False
    for operation in history:
        if operation.odd:
            findings.add("leftover", (operation,), operation.odd)
    for operation, key, seen in reads(history):
        checked = True
        if len(set(seen)) < len(seen):
            twice = sorted({value for value in seen if seen.count(value) > 1})
            findings.add("duplicate", (operation,), f"key {key} has more than once: {twice}")
        if any((key, value) in operation.steps("on_commit") for value in seen):
            reason = f"key {key} shows within the transaction what must follow its commit"
            findings.add("early", (operation,), reason)
    return findings.result(checked)
