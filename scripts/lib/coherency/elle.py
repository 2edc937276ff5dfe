"""Histories in the form that Elle's command line reads: EDN, one event a line.

An operation is two events, its invocation and its answer of type ok, fail or info. Elle's models
have reads and appends (list-append) or reads and writes (rw-register) only.
"""

from itertools import chain

MODELS = {"list-append": {"read", "append"}, "rw-register": {"read", "write"}}
OF_STEPS = {"read": ":r", "append": ":append", "write": ":w"}
# What a key holds before the first write is nil to Elle.
INITIAL = 0


def model_of(history):
    """The name of the model that has all of the history's steps, or None.

    Elle takes no history in which a value is written to a key twice.
    """
    written = [step[1:] for one in history for step in one.done if step[0] in ("append", "write")]
    if len(set(written)) < len(written):
        return None
    kinds = {step[0] for operation in history for step in operation.done} - {"sleep", "raise"}
    return next((name for name, known in MODELS.items() if kinds <= known), None)


def events(history):
    """Yield the history's events as lines of EDN, in the order of their times."""
    numbers = {}
    for operation in history:
        numbers.setdefault(operation.client, len(numbers))
    points = chain.from_iterable(
        ((operation.t0, 0, number), (operation.t1, 1, number))
        for number, operation in enumerate(history)
    )
    for index, (time, answered, number) in enumerate(sorted(points)):
        operation = history[number]
        kind = ("fail" if operation.aborted else operation.type) if answered else "invoke"
        yield (
            f"{{:index {index}, :time {time}, :type :{kind}, :process "
            f"{numbers[operation.client]}, :f :txn, :value [{_steps(operation, kind == 'ok')}]}}"
        )


def _steps(operation, answered):
    steps = (step for step in operation.done if step[0] in OF_STEPS)
    return " ".join(
        f"[{OF_STEPS[kind]} {key} {_value(kind, value, answered)}]" for kind, key, value in steps
    )


def _value(kind, value, answered):
    if kind == "read" and (not answered or value in (None, INITIAL)):
        return "nil"
    return f"[{' '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
