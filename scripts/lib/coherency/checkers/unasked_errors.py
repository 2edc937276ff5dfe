"""Errors that no request has asked for: a conflict is run again or answered 503, never 500."""

from scripts.lib.coherency.checkers.result import Findings


def check(history):
    """Return the Result; nothing has disturbed the site. Anomaly: "error"."""
    findings = Findings()
    for operation in history:
        if not operation.ok and operation.odd and not _asks_for_it(operation):
            findings.add("error", (operation,), f"it was {operation.odd}")
    return findings.result(True)


def _asks_for_it(operation):
    # Also one that is caught: outside of a savepoint PostgreSQL refuses what comes after it.
    return any(step[0] in ("raise", "fail") for step in operation.value)
