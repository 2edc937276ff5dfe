"""Errors that no request has asked for: a conflict is run again or answered 503, never 500."""

from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import reads_only


def check(history):
    """Return the Result; nothing has disturbed the site. Anomaly: "error"."""
    findings = Findings()
    for operation in history:
        if not operation.ok and operation.odd and not _asks_for_it(operation):
            findings.add("error", (operation,), f"it was {operation.odd}")
    return findings.result(True)


def _asks_for_it(operation):
    steps = operation.value
    if ("raise",) in steps or ("fail", "uncaught") in steps:
        return True
    # What a writing request has caught outside of a savepoint may have undone what it wrote.
    return ("fail", "caught") in steps and not reads_only(steps)
