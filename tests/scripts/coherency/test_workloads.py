"""Each workload, run one transaction after the other, is valid: it causes no anomaly itself."""

import random

import pytest

from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.workloads import KEYS_EACH, WORKLOADS, Turn, first_key
from tests.scripts.coherency.histories import one_after_the_other, run

CLIENTS = 6


def history(name, seed):
    """600 transactions of six clients in turn, without those that raise, then final reads."""
    workload = WORKLOADS[name]
    first = first_key(name)
    turns = [Turn(client, random.Random(f"{seed} {client}")) for client in range(1, CLIENTS + 1)]
    planned = []
    for number in range(600):
        window = first + number * workload.windows // 600 * workload.window
        turn = turns[number % CLIENTS]
        turn.keys = range(window, window + workload.window)
        steps = [step for step in workload.steps(turn) if step[0] != "sleep"]
        if not {("raise",), ("fail", "uncaught"), ("fail", "caught")} & set(steps):
            planned.append(steps)
    last = first + workload.window * workload.windows
    for window in range(first, last, workload.window):
        group = range(window, window + workload.window)
        reads = [("read", key) for key in group]
        planned.append([("list", (group[0], group[-1]))] if workload.absent else reads)
    initial = tuple(workload.value) if isinstance(workload.value, list) else workload.value
    begun = {} if workload.absent else dict.fromkeys(range(first, first + KEYS_EACH), initial)
    done, _ = run(planned, isinstance(workload.value, list), begun)
    return one_after_the_other(done)


def keys_of(step):
    """The keys that a step has, those of a range by its ends."""
    if step[0] == "savepoint":
        return [key for one in step[1] for key in keys_of(one)]
    if step[0] in ("list", "count"):
        return step[1][:2]
    return [] if step[0] == "fail" else [step[1]]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", WORKLOADS)
def test_a_serial_run_is_valid(name, seed):
    result = WORKLOADS[name].judged(history(name, seed))
    assert result.outcome is Outcome.VALID, result.witness


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_stays_within_its_keys(name):
    assert WORKLOADS[name].window * WORKLOADS[name].windows <= KEYS_EACH
    keys = {key for op in history(name, 1) for step in op.value for key in keys_of(step)}
    assert min(keys) >= first_key(name)
    assert max(keys) < first_key(name) + KEYS_EACH


def test_clients_write_different_increasing_values():
    one, other = Turn(1, random.Random(1)), Turn(2, random.Random(1))
    mine = [one.unique() for _ in range(5)]
    assert mine == sorted(set(mine))
    assert not set(mine) & {other.unique() for _ in range(5)}
