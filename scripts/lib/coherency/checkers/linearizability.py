"""Linearizability of registers with several writers.

A transaction that reads a key and then writes it equals a successful compare-and-set. The
search is Wing and Gong's in Lowe's just-in-time form (Testing for Linearizability, 2017): at each
answer it holds every state that the register can be in, with the operations that have taken
effect before their own answers, and visits no state twice.

A write of unknown outcome that no read shows can be left out of every order. One that a read shows
took effect before the first such read ended: the search takes it as answered then.
"""

import dataclasses
from collections import defaultdict

from scripts.lib.coherency.checkers.result import Findings

MOST_STATES = 200_000


def check(history, initial=0, most_states=MOST_STATES):
    """Check each key by itself and return the Result; no value may be written to a key twice.

    The outcome is unknown where the search for one key would meet more than `most_states`.
    Anomaly: "not linearizable", one for each key.
    """
    by_key = defaultdict(list)
    for operation in history:
        if operation.ok or (not operation.aborted and operation.steps("write")):
            for key in {step[1] for step in operation.done if step[0] in ("read", "write")}:
                by_key[key].append(operation)
    findings = Findings()
    capped = []
    for key, operations in by_key.items():
        last, known = _search(operations, key, initial, most_states)
        if not known:
            capped.append(key)
        elif last is not None:
            smallest = _smallest(operations, last.t1, key, initial, most_states)
            reason = f"no order of these on key {key} agrees with their times and values"
            findings.add("not linearizable", smallest, reason)
    unknown = f"more than {most_states} states on keys {capped}" if capped else ""
    return findings.result(any(operation.ok for operation in history), unknown)


def _smallest(operations, end, key, initial, most_states):
    """The fewest operations found that are a contradiction at the time `end`.

    Operations under way then count as unanswered: what they read may be written later.
    """
    until = {}
    for operation in operations:
        if operation.t1 <= end:
            until[operation] = operation
        elif operation.t0 <= end:
            until[dataclasses.replace(operation, type="info")] = operation
    return [until[one] for one in _shrink(list(until), key, initial, most_states)]


def _search(operations, key, initial, most_states):
    """Return (first operation that fits nowhere or None, whether the search was completed)."""
    ends = dict(_ends(operations, key))
    events = [(operations[number].t0, 0, number) for number in ends]
    events += [(end, 1, number) for number, end in ends.items()]
    pending = set()
    states = {(initial, frozenset())}
    for _, answered, number in sorted(events):
        if not answered:
            pending.add(number)
            continue
        states = _take_effect(operations, key, states, pending, number, most_states)
        if states is None:
            return None, False
        if not states:
            return operations[number], True
        pending.discard(number)
    return None, True


def _ends(operations, key):
    """Yield (number, latest time at which it has taken effect) of each operation that may have."""
    first = {}
    for operation in operations:
        for place, seen in operation.steps("read") if operation.ok else ():
            if place == key:
                first[seen] = min(operation.t1, first.get(seen, operation.t1))
    for number, operation in enumerate(operations):
        if operation.ok:
            yield number, operation.t1
            continue
        written = [value for place, value in operation.steps("write") if place == key]
        if written and written[-1] in first:
            yield number, first[written[-1]]


def _take_effect(operations, key, states, pending, number, most_states):
    """The states after `number` has taken effect, or None if there are too many."""
    met = set(states)
    waiting = list(states)
    after = set()
    while waiting:
        value, effective = waiting.pop()
        if number in effective:
            after.add((value, effective - {number}))
            continue
        for candidate in pending - effective:
            fits, next_value = _apply(operations[candidate], key, value)
            state = (next_value, effective | {candidate})
            if fits and state not in met:
                met.add(state)
                waiting.append(state)
        if len(met) > most_states:
            return None
    return after


def _apply(operation, key, value):
    """Whether the operation can take effect on the key's `value`, and the value after it."""
    for kind, place, given in (step for step in operation.done if len(step) == 3):
        if place == key and kind == "write":
            value = given
        elif place == key and kind == "read" and operation.ok and given != value:
            return False, value
    return True, value


def _shrink(operations, key, initial, most_states):
    """Leave out, in ever smaller pieces, what the contradiction does not need.

    Only an operation whose values no other one reads may go: a read without its write would itself
    be a contradiction.
    """
    size = len(operations) // 2
    while size:
        start = 0
        while start < len(operations):
            fewer = operations[:start] + operations[start + size :]
            sound = _sound(fewer, operations[start : start + size])
            if sound and _search(fewer, key, initial, most_states)[0] is not None:
                operations = fewer
            else:
                start += size
        size //= 2
    return operations


def _sound(remaining, removed):
    seen = {pair for operation in remaining if operation.ok for pair in operation.steps("read")}
    return not any(pair in seen for operation in removed for pair in operation.steps("write"))
