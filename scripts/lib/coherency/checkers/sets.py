"""A set that is only added to, stored as lists: lost acknowledged writes."""

from collections import defaultdict

from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import reads

REASONS = {
    "lost write": "was acknowledged and is missing in",
    "aborted read": "was rolled back and is in",
    "invented value": "was added by nobody and is in",
}


def check(history):
    """Return the Result: every final read of a key has every element acknowledged for it.

    A read is final if it began after every write of its key had been answered; a key without one
    makes the outcome unknown. Anomalies, counted by element: "lost write"; "aborted read" of one
    that was rolled back; "invented value" that nobody added.
    """
    writers = defaultdict(dict)
    for operation in history:
        for key, element in operation.steps("append"):
            writers[key][element] = operation
    quiet = {key: max(op.t1 for op in added.values()) for key, added in writers.items()}
    wrong = {}
    final = set()
    for operation, key, seen in reads(history):
        if key in quiet and operation.t0 > quiet[key]:
            final.add(key)
            for element, found in _wrong_elements(writers[key], operation, set(seen)):
                wrong.setdefault((key, element), found)
    findings = Findings()
    for (key, element), (anomaly, operations) in wrong.items():
        findings.add(anomaly, operations, f"{element} {REASONS[anomaly]} key {key}")
    missing = sorted(set(writers) - final)
    unknown = f"keys {missing} have no read after their last write" if missing else ""
    return findings.result(final, unknown)


def _wrong_elements(added, operation, seen):
    """Yield (element, (anomaly, operations that show it)) for a final read."""
    for element, writer in added.items():
        if writer.ok and element not in seen:
            yield element, ("lost write", (writer, operation))
        elif writer.aborted and element in seen:
            yield element, ("aborted read", (writer, operation))
    for element in seen - added.keys():
        yield element, ("invented value", (operation,))
