"""A witness told so that a stranger can follow it: who asked what when, and what was answered."""

import dataclasses
import json
from collections import Counter

from scripts.lib.coherency.history import FINDING, is_undone

# Only the ends of a longer witness are told, and how much is left out.
FIRST_OPERATIONS, LAST_OPERATIONS = 4, 5
MOST_STEPS = 8
MOST_ELEMENTS = 12
OUTCOMES = {
    "ok": "acknowledged",
    "fail": "failed, without effect",
    "info": "no answer that tells whether it was done",
}
RAISING = {("raise",), ("fail", "uncaught")}
RAISED = "raised the error it was asked for: must have no effect"
NOUNS = {
    "read": "reads",
    "write": "writes",
    "append": "appends",
    "add": "additions",
    "list": "lists",
}


@dataclasses.dataclass(frozen=True)
class Line:
    """An operation told; times in ms from the beginning of the first.

    number: its place in the witness, from 1. process: "P1" and so on, "" where nobody answered.
    steps: a text for each step, with what was read.
    """

    number: int
    begin: float
    end: float
    client: int
    process: str
    steps: tuple
    outcome: str


@dataclasses.dataclass(frozen=True)
class Transcript:
    """A witness told.

    first, last: Lines; between them `left_out` says in words what is not told, "" if nothing.
    processes: {"P1": what process of what host that is}. reason: why these cannot all be right.
    """

    first: tuple
    left_out: str
    last: tuple
    processes: dict
    reason: str


def told(witness):
    """Return the Transcript of a Witness."""
    numbered = list(enumerate(witness.operations, 1))
    between = []
    if len(numbered) > FIRST_OPERATIONS + LAST_OPERATIONS + 1:
        between = numbered[FIRST_OPERATIONS:-LAST_OPERATIONS]
    shown = [pair for pair in numbered if pair not in between]
    served = dict.fromkeys((op.host, op.pid) for _, op in shown if op.pid)
    names = {who: f"P{number}" for number, who in enumerate(served, 1)}
    lines = _lines(shown, names)
    cut = FIRST_OPERATIONS if between else len(lines)
    return Transcript(
        first=lines[:cut],
        left_out=_left_out([operation for _, operation in between]),
        last=lines[cut:],
        processes={name: f"process {pid} on {host}" for (host, pid), name in names.items()},
        reason=witness.reason,
    )


def _lines(shown, names):
    """The Lines of pairs of number and operation; names: {(host, process id): its name}."""
    operations = [operation for _, operation in shown]
    begin = operations[0].t0
    return tuple(
        Line(
            number=number,
            begin=(operation.t0 - begin) / 1e6,
            end=(operation.t1 - begin) / 1e6,
            client=operation.client if operation.session is None else operation.session,
            process=names.get((operation.host, operation.pid), operation.host),
            steps=step_texts(operation, operations),
            outcome=RAISED if RAISING & set(operation.value) else OUTCOMES[operation.type],
        )
        for number, operation in shown
    )


def _left_out(operations):
    """What these operations are, in words."""
    kinds = Counter(
        (NOUNS.get(op.value[0][0]) if len(op.value) == 1 else "transactions", OUTCOMES[op.type])
        for op in operations
    )
    return "; ".join(
        f"{count:,} further {noun or 'operations'}, {outcome}"
        for (noun, outcome), count in kinds.most_common()
    )


def step_texts(operation, operations):
    """The operation's steps as texts; of many only those on keys of which others know more."""
    steps = operation.value
    if len(steps) > MOST_STEPS:
        keys = _keys_in_question(operation, operations)
        steps = [step for step in steps if len(step) == 3 and step[1] in keys] or steps
        steps = steps[:MOST_STEPS]
    apart = _apart(operations)
    texts = [_step(step, apart) for step in steps]
    if len(steps) < len(operation.value):
        texts.append(f"… {len(operation.value) - len(steps):,} further steps …")
    return tuple(texts)


def _keys_in_question(operation, operations):
    """The keys that other operations change, or have read with another value."""
    found = dict(operation.steps("read"))
    return {
        step[1]
        for other in operations
        if other is not operation
        for step in other.done
        if len(step) == 3 and (step[0] not in FINDING or found.get(step[1], step[2]) != step[2])
    }


TEXTS = {
    "read": "read key {}",
    "list": "list {}",
    "count": "count {}",
    "write": "write {1} to key {0}",
    "append": "append {1} to key {0}",
    "add": "add {1} to key {0}",
    "insert": "insert key {0} with {1}",
    "delete": "delete key {}",
    "on_commit": "append {1} to key {0} after the commit",
    "fail": "send a statement that fails, {}",
    "sleep": "wait {} ms",
    "raise": "raise an error",
}


def _step(step, apart):
    name, *arguments = step
    if name == "savepoint":
        inner = "; ".join(_step(one, apart) for one in arguments[0])
        return f"savepoint, {'undone' if is_undone(step) else 'done'}: {inner}"
    seen = ""
    if name in FINDING:
        place, found = arguments
        arguments = [_range(place) if name in ("list", "count") else place]
        if found is not None:
            seen = f" → {_rows(found, apart) if name == 'list' else _value(found, apart)}"
    elif name == "write":
        arguments[1] = _value(arguments[1], apart)
    return TEXTS[name].format(*arguments) + seen


def _rows(rows, apart):
    return ", ".join(f"{key}: {_value(value, apart)}" for key, value in rows) or "none"


def _range(range):
    wanted = f" that are {json.dumps(range[2])}" if len(range) > 2 else ""
    return f"keys {range[0]} to {range[1]}{wanted}"


def _value(value, apart):
    """A value in JSON; of a long list its ends and what `apart` has, with their neighbours."""
    if not isinstance(value, tuple) or len(value) <= MOST_ELEMENTS:
        return json.dumps(value)
    shown = {0, 1, len(value) - 2, len(value) - 1}
    for place, element in enumerate(value):
        if element in apart:
            shown |= {place - 1, place, place + 1}
    parts = []
    skipped = 0
    for place, element in enumerate(value):
        if place not in shown:
            skipped += 1
            continue
        if skipped:
            parts.append(f"… {skipped:,} more …")
        parts.append(str(element))
        skipped = 0
    return f"[{', '.join(parts)}]"


def _apart(operations):
    """The elements that long lists must show: written here, or where two reads first differ."""
    found = {value for op in operations for _, value in op.steps("append") + op.steps("write")}
    lists = [
        (key, seen)
        for operation in operations
        for key, seen in operation.steps("read")
        if isinstance(seen, tuple)
    ]
    for number, (key, one) in enumerate(lists):
        for other in (seen for place, seen in lists[:number] if place == key):
            pairs = zip(one, other, strict=False)
            found |= set(next((pair for pair in pairs if pair[0] != pair[1]), ()))
    return found
