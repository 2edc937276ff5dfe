"""Lists and counts of keys with one writer each, who inserts, writes and deletes them."""

from bisect import bisect_left
from collections import defaultdict

from scripts.lib.coherency.checkers.result import Findings

ABSENT = None
CHANGES = ("insert", "write", "delete")


class Versions:
    """The values that one writer gave a key, in order."""

    def __init__(self):
        self._acknowledged, self._ends, self._others = [], [], []

    def add(self, operation, value):
        """Take the next change; `value` is ABSENT for a delete."""
        if operation.ok:
            self._acknowledged.append((operation, value))
            self._ends.append(operation.t1)
        elif not operation.aborted:
            self._others.append((operation, value))

    def may_be(self, operation):
        """{value that a read may see: who wrote it, or None}, the last acknowledged first."""
        place = bisect_left(self._ends, operation.t0) - 1
        last = self._acknowledged[place] if place >= 0 else (None, ABSENT)
        found = {last[1]: last[0]}
        for writer, value in self._acknowledged[place + 1 :]:
            if writer.t0 > operation.t1:
                break
            found.setdefault(value, writer)
        for writer, value in self._others:
            if writer.t0 <= operation.t1:
                found.setdefault(value, writer)
        return found


def check(history):
    """Return the Result; no value is written twice, and no key exists in the beginning.

    Anomalies: "stale read", a list or count with an older state of a key than the last one
    acknowledged before it began; "phantom", a list and a count in one request that differ.
    """
    versions = defaultdict(Versions)
    for operation in sorted(history, key=lambda one: one.t0):
        for kind, key, *value in (step for step in operation.value if step[0] in CHANGES):
            versions[key].add(operation, ABSENT if kind == "delete" else value[0])
    findings = Findings()
    checked = 0
    for operation in history:
        sizes = set()
        for kind, group, seen in _looks(operation):
            checked += 1
            sizes.add(seen if kind == "count" else len(seen))
            _compare(findings, versions, operation, (kind, group, seen))
        if len(sizes) > 1:
            reason = f"one request finds {' and '.join(map(str, sorted(sizes)))} keys"
            findings.add("phantom", (operation,), reason)
    return findings.result(checked)


def _looks(operation):
    if operation.ok:
        yield from (step for step in operation.value if step[0] in ("list", "count"))


def _compare(findings, versions, operation, look):
    kind, group, seen = look
    keys = range(group[0], group[1] + 1)
    may_be = {key: versions[key].may_be(operation) for key in keys if key in versions}
    if kind == "count":
        least = sum(ABSENT not in values for values in may_be.values())
        most = sum(any(value is not ABSENT for value in values) for values in may_be.values())
        if not least <= seen <= most:
            reason = f"a count finds {seen} keys; there are at least {least}, at most {most}"
            findings.add("stale read", (operation,), reason)
        return
    found = dict(seen)
    for key in keys:
        value = found.get(key, ABSENT)
        allowed = may_be.get(key, {ABSENT: None})
        if value not in allowed:
            newest, writer = next(iter(allowed.items()))
            reason = f"key {key} is {_told(value)} and was acknowledged as {_told(newest)} before"
            findings.add("stale read", (*filter(None, (writer,)), operation), reason)


def _told(value):
    return "not there" if value is ABSENT else str(value)
