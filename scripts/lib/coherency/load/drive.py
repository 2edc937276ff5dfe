"""Runs one workload in one mode by several client processes."""

import ctypes
import dataclasses
import multiprocessing
import random
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from scripts.lib.coherency.history import reads_only
from scripts.lib.coherency.load.client import Client
from scripts.lib.coherency.load.leaving import Leaving
from scripts.lib.coherency.workloads import KEYS_EACH, WORKLOADS, Turn, first_key, keys_created

# Within these all client processes wait for the start.
SECONDS_TO_GATHER = 0.2
SECONDS_TO_WARM_UP = 1
# A site that is down refuses at once: without a pause a client would only count refusals.
SECONDS_AFTER_FAILURE = 0.01
# Of prctl(2): the signal that a process gets when its parent has ended.
PR_SET_PDEATHSIG = 1


class ClientPool(ProcessPoolExecutor):
    """A worker process for each client. Their load goes on until the Event `over` is set.

    `leaving` makes them leave some of their requests. Only this process stops them, and they end
    with it.
    """

    def __init__(self, clients):
        self.over = multiprocessing.Event()
        self.leaving = Leaving()
        super().__init__(clients, initializer=_share, initargs=(self.over, self.leaving))

    def __exit__(self, *error):
        self.over.set()
        return super().__exit__(*error)


def _share(over, leaving):
    # A process can take these only at its start.
    global _over, _leaving
    _over, _leaving = over, leaving
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclasses.dataclass(frozen=True)
class Load:
    """The Operations of a load of `seconds`, and the Faults during it."""

    history: list
    faults: tuple
    seconds: float


def warm_up(pool, lab, mode, clients):
    """Have `clients` readers ask the processes of a mode until these are past their start.

    The readers use a key that no workload uses: a workload's keys must not be cached from here.
    Raises what run_workload raises.
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


def run_workload(pool, lab, mode, name, options, disturb=None):
    """Run a workload for `options.seconds_each` and return its Load.

    pool: a ClientPool of `options.clients`. lab: (address of the site, token). disturb: called
    when the load has begun; it returns the Faults, and the load lasts until then at least.
    Raises CannotRun if the lab does not answer, and what `disturb` raises.
    """
    workload = WORKLOADS[name]
    with Client(*_of(lab, mode)) as client:
        client.reset(keys_created(name), workload.value)
    pool.over.clear()
    start = time.monotonic() + SECONDS_TO_GATHER
    seconds = options.seconds_each
    load = (start, seconds, options.serializable_reads or not workload.cycles)
    jobs = [
        pool.submit(_work, lab, mode, name, number, options.seed, load)
        for number in range(1, options.clients + 1)
    ]
    try:
        faults = disturb() if disturb else ()
        time.sleep(max(0, start + seconds - time.monotonic()))
    finally:
        pool.over.set()
    seconds = max(seconds, time.monotonic() - start)
    history = [operation for job in jobs for operation in job.result()]
    return Load(history, faults, seconds)


def _of(lab, mode):
    url, token = lab
    return url, mode, token


def _work(lab, mode, name, number, seed, load):
    """One client's load, in its own process; returns its history.

    load: (its beginning by time.monotonic(), seconds, whether reads go as reading requests).
    """
    start, seconds, by_get = load
    workload = WORKLOADS[name]
    own = f"{seed} {mode} {name} {number}"
    turn = Turn(number, random.Random(own))
    first = first_key(name)
    time.sleep(max(0, start - time.monotonic()))
    with Client(*_of(lab, mode), number, leaving=_leaving, seed=own) as client:
        while not _over.is_set():
            passed = (time.monotonic() - start) / seconds
            window = first + int(passed * workload.windows) % workload.windows * workload.window
            turn.keys = range(window, window + workload.window)
            sent = _send(client, workload, workload.steps(turn), by_get)
            if sent.type == "fail":
                time.sleep(SECONDS_AFTER_FAILURE)
        return client.history


def _send(client, workload, steps, by_get):
    reading = reads_only(steps)
    if workload.by == "session":
        send = client.visit
    elif workload.by == "upload" and not reading:
        send = client.upload
    elif workload.by in ("streams", "apart"):
        send = partial(client.get if by_get and reading else client.transact, by=workload.by)
    elif workload.by == "get" or (by_get and reading):
        if all(step[0] == "read" for step in steps):
            return client.read(workload.name, *(step[1] for step in steps))
        send = client.get
    else:
        send = client.transact
    return send(workload.name, *steps)
