"""Each workload, run one transaction after the other, is valid: the faults are not its own."""

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
        if ("raise",) not in steps:
            planned.append(steps)
    planned.append(
        [("read", key) for key in range(first, first + workload.window * workload.windows)]
    )
    initial = tuple(workload.value) if isinstance(workload.value, list) else workload.value
    begun = dict.fromkeys(range(first, first + KEYS_EACH), initial)
    done, _ = run(planned, isinstance(workload.value, list), begun)
    return one_after_the_other(done)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", WORKLOADS)
def test_a_serial_run_is_valid(name, seed):
    result = WORKLOADS[name].check(history(name, seed))
    assert result.outcome is Outcome.VALID, result.witness


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_stays_within_its_keys(name):
    assert WORKLOADS[name].window * WORKLOADS[name].windows <= KEYS_EACH
    keys = {step[1] for op in history(name, 1) for step in op.value}
    assert min(keys) >= first_key(name)
    assert max(keys) < first_key(name) + KEYS_EACH


def test_clients_write_different_increasing_values():
    one, other = Turn(1, random.Random(1)), Turn(2, random.Random(1))
    mine = [one.unique() for _ in range(5)]
    assert mine == sorted(set(mine))
    assert not set(mine) & {other.unique() for _ in range(5)}
