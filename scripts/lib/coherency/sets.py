"""A set that is only added to, kept as lists: lost acknowledged writes."""

from collections import defaultdict

from scripts.lib.coherency.history import reads
from scripts.lib.coherency.result import Findings


def check(history):
    """Return the Result: every final read of a key has all that was acknowledged for it.

    A read is final if it began after every write of its key had been answered; a key without one
    makes the outcome unknown. Anomalies: "lost write"; "aborted read" of an element that was
    rolled back; "invented value" that nobody added.
    """
    writers = defaultdict(dict)
    for operation in history:
        for key, element in operation.steps("append"):
            writers[key][element] = operation
    quiet = {key: max(op.t1 for op in added.values()) for key, added in writers.items()}
    findings = Findings()
    final = set()
    for operation, key, seen in reads(history):
        if key in quiet and operation.t0 > quiet[key]:
            final.add(key)
            _check_read(findings, writers[key], operation, key, set(seen))
    missing = sorted(set(writers) - final)
    unknown = f"keys {missing} have no read after their last write" if missing else ""
    return findings.result(final, unknown)


def _check_read(findings, added, operation, key, seen):
    for element, writer in added.items():
        if writer.ok and element not in seen:
            reason = f"{element} was acknowledged for {key} and is not there"
            findings.add("lost write", (writer, operation), reason)
        elif writer.aborted and element in seen:
            reason = f"{element} was rolled back and is in {key}"
            findings.add("aborted read", (writer, operation), reason)
    for element in seen - added.keys():
        findings.add("invented value", (operation,), f"nobody added {element} to {key}")
