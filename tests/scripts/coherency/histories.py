"""Histories for the checkers' tests: written by hand, or made by running transactions serially."""

import dataclasses
import itertools

from hypothesis import strategies as st

from scripts.lib.coherency.history import Operation

_clients = itertools.count(1000)


def op(t0, t1, *steps, type="ok", client=None):
    """An operation by a client of its own unless `client` is given."""
    client = next(_clients) if client is None else client
    return Operation(client=client, type=type, t0=t0, t1=t1, value=steps)


def run(transactions, lists, state=None):
    """Run lists of steps one after the other; returns (steps with what they read, final state).

    The steps' reads are ("read", key). `lists`: whether the values are lists or integers.
    `state`: {key: value} of those that do not begin with the empty list or 0.
    """
    state = state or {}
    done = []
    for steps in transactions:
        after = dict(state)
        told = []
        for kind, key, *value in steps:
            old = after.get(key, () if lists else 0)
            if kind == "read":
                told.append(("read", key, old))
                continue
            told.append((kind, key, *value))
            after[key] = {
                "write": lambda old, new: new,
                "append": lambda old, new: (*old, new),
                "add": lambda old, new: old + new,
            }[kind](old, *value)
        state = after
        done.append(tuple(told))
    return done, state


@st.composite
def concurrent(draw, steps, lists, largest=25):
    """Shuffled operations that took effect in some serial order, each while it was under way.

    `steps(draw, number)` makes the steps of transaction `number`.
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
