"""One request's reads, lists and counts of a group of keys that are always written together."""

from scripts.lib.coherency.checkers.result import Findings


def check(history, size):
    """Return the Result; all `size` keys of a group have one value at each instant.

    Anomalies: "non-repeatable read", a key with two values in one request; "read skew", two keys
    with different values; "phantom", a condition that finds other rows than the values say.
    """
    findings = Findings()
    checked = 0
    for operation in history:
        looks = [step for step in operation.value if step[0] in ("read", "list", "count")]
        if operation.ok and len(looks) > 1:
            checked += 1
            _compare(findings, operation, looks, size)
    return findings.result(checked)


def _compare(findings, operation, looks, size):
    values = {}
    for key, value in operation.steps("read"):
        values.setdefault(key, set()).add(value)
    twice = {key: seen for key, seen in values.items() if len(seen) > 1}
    known = set().union(*values.values())
    if twice:
        key, seen = min(twice.items())
        reason = f"key {key} is {_told(seen)} in one request"
        findings.add("non-repeatable read", (operation,), reason)
    elif len(known) > 1:
        findings.add("read skew", (operation,), f"keys written together are {_told(known)}")
    else:
        _compare_conditions(findings, operation, looks, known, size)


def _compare_conditions(findings, operation, looks, known, size):
    for kind, place, seen in looks:
        if kind == "read":
            continue
        number = seen if kind == "count" else len(seen)
        wanted = {size} if len(place) == 2 else {0, size}
        if known and len(place) == 3:
            wanted = {size if place[2] in known else 0}
        if number not in wanted:
            told = " or ".join(map(str, sorted(wanted)))
            findings.add("phantom", (operation,), f"{number} rows were found where {told} are")


def _told(values):
    return " and ".join(map(str, sorted(values)))
