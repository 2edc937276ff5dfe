"""Sessions on registers with increasing values: read-your-writes and monotonic reads."""

from collections import defaultdict

from scripts.lib.coherency.checkers.result import Findings


def check(history):
    """Return the Result for each session's own reads and writes of a key with one writer.

    Takes O(n log n). A session is one client's operations one after the other. Anomalies:
    "read-your-writes": a read below what the session wrote before; "monotonic reads": a read
    below what it read before.
    """
    sessions = defaultdict(list)
    unknown = {
        (key, value)
        for operation in history
        if not operation.ok
        for key, value in operation.steps("write")
    }
    for operation in history:
        if operation.ok:
            own = operation.client if operation.session is None else operation.session
            sessions[own].append(operation)
    findings = Findings()
    checked = 0
    for operations in sessions.values():
        operations.sort(key=lambda item: item.t0)
        checked += _check_session(findings, operations, unknown)
    return findings.result(checked)


def _check_session(findings, operations, unknown):
    """Check a session's operations; the writes `unknown` may take effect after later ones."""
    written, read = {}, {}
    checked = 0
    for operation in operations:
        for kind, key, value in (step for step in operation.done if step[0] in ("read", "write")):
            if kind == "write":
                written[key] = max(
                    written.get(key, (value, operation)),
                    (value, operation),
                    key=lambda pair: pair[0],
                )
            elif kind == "read":
                checked += 1
                if (key, value) in unknown:
                    continue
                _compare(findings, "read-your-writes", written.get(key), operation, key, value)
                _compare(findings, "monotonic reads", read.get(key), operation, key, value)
                if key not in read or value > read[key][0]:
                    read[key] = (value, operation)
    return checked


def _compare(findings, anomaly, earlier, operation, key, value):
    if earlier and value < earlier[0]:
        reason = f"the session knew key {key} as {earlier[0]} and then reads {value}"
        findings.add(anomaly, {earlier[1], operation}, reason)
