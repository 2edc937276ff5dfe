"""Write skew (G2-item): two transactions find a group of keys empty and each fills one of them."""

from collections import defaultdict

from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import elements

EMPTY = ((None,), (0,), ())


def check(history):
    """Return the Result: at most one acknowledged transaction finds its group empty and fills it.

    A group is the set of keys that a transaction reads; a filled key stays filled.
    Anomaly: "G2-item".
    """
    filled = defaultdict(list)
    checked = 0
    for operation in history:
        asked = operation.steps("read")
        wrote = operation.steps("write") + operation.steps("append") + operation.steps("add")
        if operation.ok and asked and wrote:
            checked += 1
            if all(elements(seen) in EMPTY for _, seen in asked):
                filled[frozenset(key for key, _ in asked)].append(operation)
    findings = Findings()
    for group, operations in filled.items():
        if len(operations) > 1:
            operations.sort(key=lambda operation: operation.t0)
            reason = f"both found the keys {sorted(group)} empty and filled one"
            findings.add("G2-item", operations[:2], reason, len(operations) - 1)
    return findings.result(checked)
