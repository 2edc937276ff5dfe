"""What a check says: valid, invalid or unknown, with counts and one smallest witness."""

import dataclasses
import enum


class Outcome(enum.Enum):
    """A check's verdict; the value is the exit status."""

    VALID = 0
    INVALID = 1
    UNKNOWN = 2


@dataclasses.dataclass(frozen=True)
class Witness:
    """Operations that cannot all be right, in the order of their beginning, and why.

    edges: of a cycle, (operation, the one that must come after it, kinds as of dependencies.py).
    """

    anomaly: str
    operations: tuple
    reason: str
    edges: tuple = ()


@dataclasses.dataclass(frozen=True)
class Result:
    """A verdict on a history.

    counts: {anomaly: number}. witnesses: {anomaly: the smallest Witness of it}. reason: why the
    outcome is unknown, else "".
    """

    outcome: Outcome
    counts: dict
    witnesses: dict
    reason: str = ""

    @property
    def witness(self):
        """The smallest witness of all, or None."""
        return min(self.witnesses.values(), key=_size, default=None)


class Findings:
    """Collects a check's anomalies: of each kind the number and the smallest witness."""

    def __init__(self):
        self.counts = {}
        self.witnesses = {}

    def add(self, anomaly, operations, reason, count=1, edges=()):
        """Note `count` anomalies of a kind that `operations` show; `edges` as of a Witness."""
        self.counts[anomaly] = self.counts.get(anomaly, 0) + count
        ordered = tuple(sorted(operations, key=lambda operation: operation.t0))
        found = Witness(anomaly, ordered, reason, tuple(edges))
        known = self.witnesses.get(anomaly)
        if known is None or _size(found) < _size(known):
            self.witnesses[anomaly] = found

    def result(self, checked, unknown=""):
        """The Result; unknown, not valid, if nothing was `checked` or `unknown` has a reason."""
        if self.counts:
            outcome = Outcome.INVALID
        elif unknown or not checked:
            outcome = Outcome.UNKNOWN
            unknown = unknown or "nothing was acknowledged that could be checked"
        else:
            outcome = Outcome.VALID
            unknown = ""
        return Result(outcome, self.counts, self.witnesses, unknown)


def added(one, other):
    """The Result of two histories: invalid if one is, otherwise unknown if one is; adds counts."""
    both = merged(one, other)
    counts = {name: one.counts.get(name, 0) + other.counts.get(name, 0) for name in both.counts}
    return dataclasses.replace(both, counts=counts)


def merged(one, other):
    """The Result of two checks of one history: invalid if one is, otherwise unknown if one is."""
    outcome = next(
        found
        for found in (Outcome.INVALID, Outcome.UNKNOWN, Outcome.VALID)
        if found in (one.outcome, other.outcome)
    )
    counts = {**other.counts, **one.counts}
    reason = "" if outcome is Outcome.INVALID else one.reason or other.reason
    return Result(outcome, counts, {**other.witnesses, **one.witnesses}, reason)


def _size(witness):
    spread = witness.operations[-1].t0 - witness.operations[0].t0
    return len(witness.operations), spread
