"""Histories for the checkers' tests: written by hand, or by running transactions serially."""

import dataclasses
import itertools

from hypothesis import strategies as st

from scripts.lib.coherency.history import Operation, is_undone

_clients = itertools.count(1000)


def op(t0, t1, *steps, type="ok", client=None):
    """An operation by a new client, or by `client` if given."""
    client = next(_clients) if client is None else client
    return Operation(client=client, type=type, t0=t0, t1=t1, value=steps)


def run(transactions, lists, state=None):
    """Run lists of steps one after the other; returns (steps with what they found, final state).

    Steps that find something come without what they find. `lists`: whether the values are lists or
    integers. A transaction that is refused is left out. `state`: {key: value} of the keys that
    do not begin with the empty list or 0.
    """
    state = state or {}
    done = []
    for steps in transactions:
        after = dict(state)
        try:
            told = tuple(_run_step(step, after, () if lists else 0) for step in steps)
        except _RefusedError:
            continue
        for _, key, value in (step for step in told if step[0] == "on_commit"):
            after[key] = (*after.get(key, ()), value)
        state = after
        done.append(told)
    return done, state


class _RefusedError(Exception):
    """An existing key is inserted, or a missing one is deleted."""


def _run_step(step, state, empty):
    kind, key, *value = step
    if kind == "savepoint":
        inner = dict(state)
        told = (kind, tuple(_run_step(one, inner, empty) for one in key), *value)
        if not is_undone(told):
            state.update(inner)
        return told
    if kind == "read":
        return kind, key, state.get(key, empty)
    if kind in ("list", "count"):
        found = tuple((one, state[one]) for one in range(key[0], key[1] + 1) if one in state)
        found = tuple(pair for pair in found if pair[1] in (key[2:] or (pair[1],)))
        return kind, key, found if kind == "list" else len(found)
    if kind == "delete":
        if state.pop(key, None) is None:
            raise _RefusedError
    elif kind in ("write", "insert"):
        if kind == "insert" and key in state:
            raise _RefusedError
        state[key] = value[0]
    elif kind in ("append", "add"):
        old = state.get(key, empty)
        state[key] = (*old, value[0]) if kind == "append" else old + value[0]
    return step


@st.composite
def concurrent(draw, steps, lists, largest=25):
    """Shuffled operations that took effect in some serial order, each while it was under way.

    `steps(draw, number)` returns the steps of transaction `number`.
    """
    count = draw(st.integers(1, largest))
    done, _ = run([steps(draw, number) for number in range(1, count + 1)], lists)
    free = {}
    history = []
    for number, value in enumerate(done):
        instant = 100 * (number + 1)
        t0 = max(0, instant - draw(st.integers(1, 350)))
        client = next((known for known, end in free.items() if end < t0), len(free))
        free[client] = t1 = instant + draw(st.integers(1, 350))
        type = draw(st.sampled_from(["ok", "ok", "ok", "info"]))
        if type == "info":
            value = tuple((*step[:2], None) if step[0] == "read" else step for step in value)
            free[client] = float("inf")
        history.append(Operation(client=client, type=type, t0=t0, t1=t1, value=value))
    return draw(st.permutations(history))


def one_after_the_other(values):
    """Acknowledged operations of one client each, which do not overlap."""
    return [op(10 * number, 10 * number + 5, *steps) for number, steps in enumerate(values)]


def changed(history, number, steps):
    """The history with other steps in operation `number`."""
    operation = dataclasses.replace(history[number], value=tuple(steps))
    return [*history[:number], operation, *history[number + 1 :]]
