"""Transactions that read and append to lists, checked for strict serializability as Elle does.

The lists tell the order of their writes, and that gives the dependencies between transactions
(dependencies.py); cycles of these are the anomalies of Adya's thesis (cycles.py). After Kingsbury
and Alvaro, Elle: Inferring Isolation Anomalies from Experimental Observations, 2020.
"""

from collections import defaultdict

from scripts.lib.coherency.checkers import aborted_read, intermediate_read
from scripts.lib.coherency.checkers.cycles import find_cycles
from scripts.lib.coherency.checkers.dependencies import dependencies
from scripts.lib.coherency.checkers.result import Findings
from scripts.lib.coherency.history import reads

NOWHERE = float("inf")


def check(history):
    """Return the Result; no value is appended twice to a key.

    Anomalies: those of cycles.py, "G1a", "G1b"; "incompatible order", two reads of which neither
    is a prefix of the other, or a read with one transaction's appends in another order; "lost
    update", two transactions that append to the same state they have read; "internal", a
    transaction that does not see its own appends; "invented value" that nobody appended;
    "duplicate" in one read.
    """
    history = sorted(history, key=lambda operation: operation.t0)
    findings = Findings()
    aborted_read.find(findings, history)
    intermediate_read.find(findings, history)
    _find_wrong_elements(findings, history)
    _find_internal(findings, history)
    _find_lost_updates(findings, history)
    longest = _longest_reads(findings, history)
    _find_wrong_orders(findings, history, longest)
    orders = {key: seen for key, (seen, _) in longest.items()}
    find_cycles(findings, dependencies(history, orders))
    return findings.result(any(operation.ok for operation in history))


def _find_wrong_elements(findings, history):
    appended = {pair for operation in history for pair in operation.steps("append")}
    for operation, key, seen in reads(history):
        if len(set(seen)) < len(seen):
            twice = sorted({value for value in seen if seen.count(value) > 1})
            findings.add("duplicate", (operation,), f"key {key} has more than once: {twice}")
        for value in seen:
            if (key, value) not in appended:
                findings.add(
                    "invented value", (operation,), f"nobody appended {value} to key {key}"
                )


def _find_internal(findings, history):
    for operation in history:
        expected = {}
        to_come = set(operation.steps("append"))
        for kind, key, value in (step for step in operation.done if step[0] in ("read", "append")):
            if kind == "append":
                # Before the first read of a key only the end of its list is known.
                known, exact = expected.get(key, ((), False))
                expected[key] = ((*known, value), exact)
                to_come.discard((key, value))
            elif kind == "read" and operation.ok:
                known, exact = expected.get(key, ((), False))
                end = value[len(value) - len(known) :] if len(value) >= len(known) else None
                early = any((key, element) in to_come for element in value)
                if end != known or (exact and value != known) or early:
                    reason = f"key {key} is not what the transaction itself has read and appended"
                    findings.add("internal", (operation,), reason)
                expected[key] = (value, True)


def _find_lost_updates(findings, history):
    updates = defaultdict(list)
    for operation in history:
        if operation.ok:
            base = {}
            appended = set()
            for kind, key, value in (
                step for step in operation.done if step[0] in ("read", "append")
            ):
                if kind == "append" and key not in appended:
                    appended.add(key)
                    if key in base:
                        updates[key, base[key]].append(operation)
                elif kind == "read":
                    base.setdefault(key, value)
    for (key, state), operations in updates.items():
        if len(operations) > 1:
            reason = f"each read key {key} with {len(state)} elements and appended to that"
            findings.add("lost update", operations[:2], reason, len(operations) - 1)


def _find_wrong_orders(findings, history, longest):
    """Find lists with one transaction's appends in another order, or without the first of them."""
    places = {
        key: {value: place for place, value in enumerate(seen)}
        for key, (seen, _) in longest.items()
    }
    for operation in history:
        later = {}
        for key, value in () if operation.aborted else reversed(operation.steps("append")):
            place = places.get(key, {}).get(value, NOWHERE)
            if place > later.get(key, NOWHERE):
                reason = f"key {key} does not show one transaction's appends in their order"
                witness = dict.fromkeys((operation, longest[key][1]))
                findings.add("incompatible order", witness, reason)
            later[key] = place


def _longest_reads(findings, history):
    """{key: (longest list, its reader)}; reads that are no prefix of it are findings."""
    longest = {}
    for operation, key, seen in reads(history):
        if key not in longest or len(seen) > len(longest[key][0]):
            longest[key] = (seen, operation)
    for operation, key, seen in reads(history):
        order, reader = longest[key]
        if order[: len(seen)] != seen:
            pairs = enumerate(zip(seen, order, strict=False))
            place, (one, other) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
            reason = (
                f"element {place + 1} of key {key} is {one} in one read and {other} in another"
            )
            findings.add("incompatible order", (operation, reader), reason)
    return longest
