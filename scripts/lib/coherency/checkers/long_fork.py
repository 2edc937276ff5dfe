"""Long fork: two reads of a group of keys, each of which misses what the other sees."""

from collections import defaultdict

from scripts.lib.coherency.checkers.result import Findings

EMPTY = (None, 0, ())


def check(history):
    """Return the Result; each key is written once, reads of a group ask for the same keys.

    The reads of a group must see growing sets of its keys. Anomaly: "long fork".
    """
    groups = defaultdict(list)
    for operation in history:
        asked = operation.steps("read")
        if operation.ok and len(asked) > 1:
            seen = frozenset(key for key, value in asked if value not in EMPTY)
            groups[frozenset(key for key, _ in asked)].append((seen, operation))
    findings = Findings()
    for found in groups.values():
        # If these sets are a chain, each one in the order of size is within its successor.
        found.sort(key=lambda pair: (len(pair[0]), pair[1].t0))
        for (fewer, one), (more, other) in zip(found, found[1:], strict=False):
            if not fewer <= more:
                reason = f"one read sees {sorted(fewer - more)}, the other {sorted(more - fewer)}"
                findings.add("long fork", (one, other), reason)
    return findings.result(groups)
