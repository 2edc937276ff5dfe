"""Runs one workload in one mode: several client processes, then final reads."""

import random
import time

from scripts.lib.coherency.client import Client
from scripts.lib.coherency.workloads import KEYS_EACH, WORKLOADS, Turn, first_key

# Until all client processes wait for the start.
SECONDS_TO_GATHER = 0.2
KEYS_IN_A_READ = 100
FINAL_ROUNDS = 5
SECONDS_TO_WARM_UP = 1


def warm_up(pool, lab, mode, clients):
    """Have the processes of a mode answer `clients` readers, until they are past their start.

    The key is none of a workload's, so that none is cached from here. Raises as run_workload does.
    """
    key = 1 + KEYS_EACH * len(WORKLOADS)
    with Client(*_of(lab, mode)) as client:
        client.reset(key, 0)
    jobs = [pool.submit(_read_for, lab, mode, key, SECONDS_TO_WARM_UP) for _ in range(clients)]
    for job in jobs:
        job.result()


def _read_for(lab, mode, key, seconds):
    end = time.monotonic() + seconds
    with Client(*_of(lab, mode)) as client:
        while time.monotonic() < end:
            client.read("warm-up", key)


def run_workload(pool, lab, mode, name, options):
    """Run a workload for `options.seconds_each` and return its history.

    pool: a ProcessPoolExecutor with a worker for each of `options.clients`. lab: (address of the
    site, token). Raises OSError if the lab does not answer.
    """
    workload = WORKLOADS[name]
    with Client(*_of(lab, mode)) as client:
        client.reset(first_key(name) + KEYS_EACH - 1, workload.value)
    start = time.monotonic() + SECONDS_TO_GATHER
    load = (start, options.seconds_each, options.serializable_reads or not workload.cycles)
    jobs = [
        pool.submit(_work, lab, mode, name, number, options.seed, load)
        for number in range(1, options.clients + 1)
    ]
    history = [operation for job in jobs for operation in job.result()]
    return history + _final_reads(lab, mode, name)


def _of(lab, mode):
    url, token = lab
    return url, mode, token


def _work(lab, mode, name, number, seed, load):
    """One client's load, in a process of its own; returns its history.

    load: (its beginning by time.monotonic(), seconds, whether reads go as reading requests).
    """
    start, seconds, by_get = load
    workload = WORKLOADS[name]
    turn = Turn(number, random.Random(f"{seed} {mode} {name} {number}"))
    first = first_key(name)
    time.sleep(max(0, start - time.monotonic()))
    with Client(*_of(lab, mode), number) as client:
        while (passed := (time.monotonic() - start) / seconds) < 1:
            window = first + int(passed * workload.windows) * workload.window
            turn.keys = range(window, window + workload.window)
            _send(client, name, workload.steps(turn), by_get)
        return client.history


def _send(client, name, steps, by_get):
    if by_get and all(step[0] == "read" for step in steps):
        client.read(name, *(step[1] for step in steps))
    else:
        client.transact(name, *steps)


def _final_reads(lab, mode, name):
    """Reads of all the workload's keys by new clients, of several processes with luck."""
    workload = WORKLOADS[name]
    first = first_key(name)
    keys = range(first, first + workload.window * workload.windows)
    history = []
    for number in range(FINAL_ROUNDS):
        with Client(*_of(lab, mode), -1 - number) as client:
            for place in range(0, len(keys), KEYS_IN_A_READ):
                client.read(name, *keys[place : place + KEYS_IN_A_READ])
            history += client.history
    return history
