"""What a rolled-back run of a handler has left, and what a run did before its commit."""

from scripts.lib.coherency.checkers import aborted_read
from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import reads


def check(history):
    """Return the Result; no value is appended twice.

    Anomalies: "leftover", an answer with a header of another run; "duplicate", an element that a
    list has twice; "early", a read before the commit of what must follow the commit; "lost
    write", nothing of what must follow acknowledged requests is there; "G1a".
    """
    findings = Findings()
    aborted_read.find(findings, history)
    checked = False
    for operation in history:
        if operation.ok and operation.odd:
            findings.add("leftover", (operation,), operation.odd)
    for operation, key, seen in reads(history):
        checked = True
        if len(set(seen)) < len(seen):
            twice = sorted({value for value in seen if seen.count(value) > 1})
            findings.add("duplicate", (operation,), f"key {key} has more than once: {twice}")
        if any((key, value) in operation.steps("on_commit") for value in seen):
            reason = f"key {key} shows within the transaction what must follow its commit"
            findings.add("early", (operation,), reason)
    _find_lost(findings, history)
    return findings.result(checked)


def _find_lost(findings, history):
    """Find that nothing follows a commit. One alone may be missing: it is not run again."""
    due = [
        (operation, pair)
        for operation in history
        if operation.ok
        for pair in operation.steps("on_commit")
    ]
    there = {(key, value) for _, key, seen in reads(history) for value in seen}
    last = max(reads(history), key=lambda read: read[0].t0, default=None)
    if due and last and last[0].t0 > due[0][0].t1 and not any(pair in there for _, pair in due):
        writer, (key, value) = due[0]
        reason = f"{value} had to be appended to key {key} after the commit, and never was"
        findings.add("lost write", dict.fromkeys((writer, last[0])), reason, len(due))
