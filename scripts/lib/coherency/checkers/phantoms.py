"""Phantoms: groups of keys that are only inserted into, counted and listed by a range.

Two transactions that each count a group and insert into it cannot both have found the same count.
"""

from collections import defaultdict

from scripts.lib.coherency.checkers.result import Findings


def check(history):
    """Return the Result; a group is a range that is counted or listed, empty in the beginning.

    Anomalies: "G2"; "stale read", which misses an insert acknowledged before it began; "invented
    value", more keys than the clients had begun to insert.
    """
    inserts = [
        (key, operation)
        for operation in history
        if not operation.aborted
        for key, _ in operation.steps("insert")
    ]
    by_group = defaultdict(list)
    findings = Findings()
    checked = 0
    same = defaultdict(list)
    for operation in history:
        for group, found in _found(operation):
            checked += 1
            if group not in by_group:
                by_group[group] = [pair for pair in inserts if group[0] <= pair[0] <= group[1]]
            _compare(findings, operation, group, found, by_group[group])
            if operation.steps("insert"):
                same[group, found].append(operation)
    for (group, found), operations in same.items():
        if len(operations) > 1:
            reason = f"each found {found} of the keys {group[0]} to {group[1]} and inserted one"
            findings.add("G2", operations[:2], reason, len(operations) - 1)
    return findings.result(checked)


def _found(operation):
    """Yield (range, how many were found) of an acknowledged operation's counts and lists."""
    for step in operation.value if operation.ok else ():
        if step[0] in ("count", "list"):
            yield step[1], step[2] if step[0] == "count" else len(step[2])


def _compare(findings, operation, group, found, inserts):
    others = [pair for pair in inserts if pair[1] is not operation]
    before = [one for _, one in others if one.ok and one.t1 < operation.t0]
    begun = [one for _, one in others if one.t0 <= operation.t1]
    if found < len(before):
        reason = (
            f"{len(before)} of the keys {group[0]} to {group[1]} had been acknowledged before "
            f"this request began; it found {found}"
        )
        findings.add("stale read", (max(before, key=lambda one: one.t1), operation), reason)
    elif found > len(begun):
        reason = (
            f"{found} of the keys {group[0]} to {group[1]} are there, only {len(begun)} can be"
        )
        findings.add("invented value", (operation,), reason)
