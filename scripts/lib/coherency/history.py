"""A history: what clients asked for and what they were answered, one operation a line.

An operation's value is the request's steps in order, each a tuple:

    ("read", key, seen)    seen: an integer, a tuple of integers, or None where no answer came
    ("list", range, seen)  seen: ((key, value), ...) of the keys that are there, or None
    ("count", range, seen) seen: how many there are, or None
    ("write", key, value)  ("append", key, value)  ("add", key, number)
    ("insert", key, value) ("delete", key)         ("on_commit", key, number)
    ("fail", kind)         kind: "caught" or "uncaught", by the handler
    ("savepoint", steps, ending)  ending: "raise", which undoes only these steps, or None
    ("sleep", ms)          ("raise",)

A range is (first key, last key) or (first key, last key, value).

Its type is "ok" (acknowledged), "fail" (certainly without effect) or "info" (it may have happened
or may yet happen). Times are monotonic nanoseconds of one clock. An operation precedes another
only if it ended before the other began: at equal times they are taken as concurrent. `runs` is how
often its handler was run before it was acknowledged; `odd` says what else was wrong with the
answer, such as its status, or is empty.
"""

import dataclasses
import json

TYPES = ("ok", "fail", "info")
ARGUMENTS = {
    **dict.fromkeys(("read", "list", "count", "write", "append", "add", "insert"), 2),
    **dict.fromkeys(("on_commit", "savepoint"), 2),
    **dict.fromkeys(("delete", "fail", "sleep"), 1),
    "raise": 0,
}
# Steps that note what they found, and steps that change nothing.
FINDING = ("read", "list", "count")
READING = (*FINDING, "fail", "sleep")


class HistoryError(Exception):
    """A line is not an operation; the message names the line."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One request, equal to itself only; see the module's docstring."""

    client: int
    type: str
    t0: int
    t1: int
    value: tuple
    f: str = ""
    session: int | None = None
    host: str = ""
    pid: int = 0
    thread: int = 0
    runs: int = 1
    odd: str = ""

    @property
    def ok(self):
        """Whether it was acknowledged."""
        return self.type == "ok"

    @property
    def aborted(self):
        """Whether it must have had no effect: it failed, or its handler raised an error.

        Some engines can save nothing after a failed statement: the request then ends in an error,
        although its handler caught the failure.
        """
        if self.type == "fail" or ("raise",) in self.value or ("fail", "uncaught") in self.value:
            return True
        return self.type == "info" and ("fail", "caught") in self.value

    @property
    def done(self):
        """Its steps; those of each savepoint stand in its place, unless they were undone.

        A list becomes a read of each key that it shows.
        """
        return tuple(_done(self.value)) if any(map(_has_more, self.value)) else self.value

    @property
    def undone(self):
        """The steps of its savepoints that were undone."""
        return tuple(step for outer in self.value if is_undone(outer) for step in outer[1])

    def steps(self, kind):
        """The rest, without the name, of each `done` step of this kind."""
        return [step[1:] for step in self.done if step[0] == kind]


def is_undone(step):
    """Whether a step is a savepoint that undoes its steps."""
    return step[0] == "savepoint" and (step[2] == "raise" or ("fail", "uncaught") in step[1])


def reads_only(steps):
    """Whether these steps and those of their savepoints change nothing."""
    return all(
        reads_only(step[1]) if step[0] == "savepoint" else step[0] in READING for step in steps
    )


def _has_more(step):
    return step[0] in ("savepoint", "list")


def _done(steps):
    for step in steps:
        if step[0] == "savepoint":
            if not is_undone(step):
                yield from _done(step[1])
        elif step[0] == "list" and step[2] is not None:
            yield from (("read", key, value) for key, value in step[2])
        elif step[0] != "list":
            yield step


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """A disturbance of the site under load; times as an Operation's.

    count: how often it happened, or how many messages or requests it met; 0 if it met none.
    """

    name: str
    t0: int
    t1: int
    count: int = 1


def reads(history):
    """Yield (operation, key, seen) for every acknowledged read."""
    for operation in history:
        if operation.ok:
            for key, seen in operation.steps("read"):
                yield operation, key, seen


def elements(seen):
    """The values that a read has seen: those of a list, or the one of a register."""
    return seen if isinstance(seen, tuple) else (seen,)


def to_line(operation):
    """The operation as a line of JSON, without the line's end."""
    return json.dumps(dataclasses.asdict(operation), separators=(",", ":"))


def from_lines(lines):
    """Return the list of operations in `lines`; raises HistoryError for a wrong one."""
    history = []
    for number, line in enumerate(lines, 1):
        try:
            fields = json.loads(line)
            fields["value"] = tuple(_step(step) for step in fields["value"])
            operation = Operation(**fields)
            if operation.type not in TYPES or operation.t1 < operation.t0:
                raise ValueError("the type or the times are wrong")
        except (ValueError, TypeError, KeyError) as error:
            raise HistoryError(f"line {number} of the history: {error}") from error
        history.append(operation)
    return history


def _step(step):
    kind, *arguments = step
    if len(arguments) != ARGUMENTS.get(kind):
        raise ValueError(f"{step} is not a step")
    if kind == "savepoint":
        return (kind, tuple(map(_step, arguments[0])), arguments[1])
    return frozen(step)


def frozen(value):
    """A value of JSON with tuples in place of its lists."""
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value
