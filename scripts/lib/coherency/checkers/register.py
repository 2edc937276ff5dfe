"""A register with one writer: stale reads.

The writer of a key writes increasing integers from 1; 0 is the value before the first write.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import accumulate
from operator import itemgetter

from scripts.lib.coherency.checkers.aborted_read import without_effect
from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import reads


def check(history):
    """Return the Result: a read is at least the newest value acknowledged before it began.

    Takes O(n log n). Anomalies: "stale read"; "aborted read" of a write that was rolled back;
    "invented value" that nobody had begun to write when the read ended. A write of unknown
    outcome may take effect at any time after its beginning, even after later ones.
    """
    written, aborted = _writes(history)
    newest = {key: _newest_acknowledged(writes) for key, writes in written.items()}
    begun = {key: dict(writes) for key, writes in written.items()}
    undone = {key: dict(writes) for key, writes in aborted.items()}
    findings = Findings()
    checked = 0
    for operation, key, seen in reads(history):
        checked += 1
        writer = begun.get(key, {}).get(seen)
        if seen in undone.get(key, {}):
            witness = (undone[key][seen], operation)
            findings.add("aborted read", witness, f"{seen} was rolled back, key {key} shows it")
        elif seen != 0 and (writer is None or writer.t0 > operation.t1):
            witness = (operation, writer) if writer else (operation,)
            findings.add("invented value", witness, f"nobody had written {seen} to key {key} yet")
        elif writer is None or writer.ok:
            _compare(findings, newest.get(key), operation, key, seen)
    return findings.result(checked)


def staleness(history):
    """Yield (operation, nanoseconds) for every acknowledged read: how long before its beginning a
    newer value than it shows was acknowledged; 0 for a fresh read."""
    written, _ = _writes(history)
    newest = {key: _newest_acknowledged(writes) for key, writes in written.items()}
    for operation, key, seen in reads(history):
        missed = _missed(newest.get(key), operation, seen)
        yield operation, operation.t0 - missed[0][0] if missed else 0


def _writes(history):
    """{key: [(value, operation)]} of the writes that may have taken effect, and of the others."""
    written, aborted = defaultdict(list), defaultdict(list)
    for operation in history:
        for key, value in without_effect(operation):
            aborted[key].append((value, operation))
        for key, value in [] if operation.aborted else operation.steps("write"):
            written[key].append((value, operation))
    return written, aborted


def _newest_acknowledged(writes):
    """The ends of the acknowledged writes in order, and the newest value and write by then."""
    done = sorted(
        ((operation.t1, value, operation) for value, operation in writes if operation.ok),
        key=lambda write: write[:2],
    )
    newest = accumulate(done, lambda best, write: max(best, write, key=lambda item: item[1]))
    return [write[0] for write in done], list(newest)


def _compare(findings, acknowledged, operation, key, seen):
    missed = _missed(acknowledged, operation, seen)
    if missed:
        _, value, writer = missed[1]
        reason = f"key {key} was acknowledged as {value} before this read of {seen} began"
        findings.add("stale read", (writer, operation), reason)


def _missed(acknowledged, operation, seen):
    """The first and the newest of the acknowledged writes that a read of `seen` misses, or None.

    Each is (end, value, operation); only writes count that were answered before the read began.
    """
    if acknowledged is None:
        return None
    ends, newest = acknowledged
    before = bisect_left(ends, operation.t0)
    first = bisect_right(newest, seen, 0, before, key=itemgetter(1))
    return (newest[first], newest[before - 1]) if first < before else None
