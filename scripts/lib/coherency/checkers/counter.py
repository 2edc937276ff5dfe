"""A counter that is only added to: lost updates."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import accumulate

from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import reads


def check(history, initial=0):
    """Return the Result: acknowledged before <= read - initial <= begun before the read's end.

    The numbers added must be positive. Anomalies: "lost update", counted as the largest sum that a
    read misses; "invented update", a read of more than the clients had begun to add.
    """
    added = defaultdict(list)
    for operation in (op for op in history if not op.aborted):
        for key, number in operation.steps("add"):
            added[key].append((operation, number))
    acknowledged = {
        key: _sums([(op.t1, number) for op, number in pairs if op.ok])
        for key, pairs in added.items()
    }
    begun = {key: _sums([(op.t0, number) for op, number in pairs]) for key, pairs in added.items()}
    findings = Findings()
    lost = {}
    checked = 0
    for operation, key, seen in reads(history):
        checked += 1
        least = initial + _sum_before(acknowledged.get(key), operation.t0, bisect_left)
        most = initial + _sum_before(begun.get(key), operation.t1, bisect_right)
        if seen < least and least - seen > lost.get(key, (0,))[0]:
            lost[key] = (least - seen, operation, least)
        elif seen > most:
            reason = f"key {key} is {seen}, only {most} can have been added"
            findings.add("invented update", (operation,), reason)
    _report_lost(findings, lost, added)
    return findings.result(checked)


def _report_lost(findings, lost, added):
    for key, (missing, operation, least) in lost.items():
        before = [adder for adder, _ in added[key] if adder.ok and adder.t1 < operation.t0]
        reason = (
            f"key {key} must be at least {least} by what was acknowledged: {missing} are missing"
        )
        findings.add("lost update", (*before, operation), reason, missing)


def _sums(pairs):
    """The times in order, and the sum of what was added by then."""
    pairs = sorted(pairs)
    return [time for time, _ in pairs], list(accumulate(number for _, number in pairs))


def _sum_before(sums, time, bisect):
    if sums is None:
        return 0
    times, totals = sums
    count = bisect(times, time)
    return totals[count - 1] if count else 0
