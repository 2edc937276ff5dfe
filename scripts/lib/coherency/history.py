"""A history: what clients asked for and what they were answered, one operation a line.

An operation's value is the request's steps in order, each a tuple:

    ("read", key, seen)    seen: an integer, a tuple of integers, or None where no answer came
    ("write", key, value)  ("append", key, value)  ("add", key, number)
    ("sleep", ms)          ("raise",)

Its type is "ok" (acknowledged), "fail" (certainly without effect) or "info" (it may have happened
or may yet happen). Times are monotonic nanoseconds of one clock. An operation precedes another
only if it ended before the other began: at equal times they are taken as concurrent. `runs` is how
often its handler was run before it was acknowledged.
"""

import dataclasses
import json

TYPES = ("ok", "fail", "info")
ARGUMENTS = {"read": 2, "write": 2, "append": 2, "add": 2, "sleep": 1, "raise": 0}


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

    @property
    def ok(self):
        """Whether it was acknowledged."""
        return self.type == "ok"

    @property
    def aborted(self):
        """Whether it must have left nothing: it failed, or its handler raised."""
        return self.type == "fail" or ("raise",) in self.value

    def steps(self, kind):
        """The pairs of key and value of its steps of this kind."""
        return [step[1:] for step in self.value if step[0] == kind]


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """Something that was done to the site under load; times as an Operation's."""

    name: str
    t0: int
    t1: int


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
    return (kind, *(tuple(value) if isinstance(value, list) else value for value in arguments))
