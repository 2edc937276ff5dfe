"""What is read when a load is over: by requests that every process answers, and in SQL."""

import collections
import dataclasses
import itertools
import json
import time

from scripts.lib.coherency.checkers.result import Outcome, Witness
from scripts.lib.coherency.history import Operation, frozen
from scripts.lib.coherency.load.client import Client
from scripts.lib.coherency.workloads import WORKLOADS, first_key, keys_created
from scripts.lib.serving.own_site import DATABASE

KEYS_IN_A_READ = 100
ROUNDS = 5
# Seconds within which a site answers everybody once its processes have loaded the application.
SECONDS = 20
PAUSE = 0.1
SQL = "SQL"


@dataclasses.dataclass(frozen=True)
class FinalReads:
    """The Operations; one of the last that failed, or None; which processes are missing, or ""."""

    history: list
    failed: Operation | None = None
    missing: str = ""

    def judged(self, result):
        """The workload's Result with what these reads show.

        A mode that goes on failing has the anomaly "does not recover". If a process has not
        answered, a valid Result becomes unknown.
        """
        if self.failed is not None:
            reason = f"requests still failed {SECONDS} s after all processes had come back"
            anomaly = "does not recover"
            witness = Witness(anomaly, (self.failed,), reason)
            return dataclasses.replace(
                result,
                outcome=Outcome.INVALID,
                counts=result.counts | {anomaly: 1},
                witnesses=result.witnesses | {anomaly: witness},
            )
        if self.missing and result.outcome is Outcome.VALID:
            return dataclasses.replace(result, outcome=Outcome.UNKNOWN, reason=self.missing)
        return result


def from_outside(lab, mode, name):
    """FinalReads of a site that runs already; chance decides which processes answer."""
    rounds = [_read(lab, mode, name, -number) for number in range(1, 1 + ROUNDS)]
    return FinalReads([operation for reads in rounds for operation in reads])


def from_inside(pool, lab, mode, name, target, clients):
    """FinalReads of the mode of `target` (target.py): by every process, and once in SQL.

    `clients` of the pool read and write together, again and again, until nothing fails and every
    process has answered. It gives up SECONDS after the processes have loaded the application.
    """
    target.wait_until_loaded()
    deadline = time.monotonic() + SECONDS
    numbers = itertools.count(1)
    history = []
    while True:
        jobs = [
            pool.submit(_read_and_write, lab, mode, name, -number)
            for number in itertools.islice(numbers, clients)
        ]
        done = [job.result() for job in jobs]
        history += [read for reads, _ in done for read in reads]
        sent = [operation for reads, write in done for operation in (*reads, write)]
        failed = next((operation for operation in sent if not operation.ok), None)
        missing = _missing(history, target)
        if not (failed or missing) or time.monotonic() > deadline:
            return FinalReads([*history, in_sql(target.server, mode, name)], failed, missing)
        time.sleep(PAUSE)


def in_sql(server, mode, name):
    """The Operation of reading all keys of a workload on the database `server` itself.

    server: one of SERVERS or SQLite (databases.py). Raises CannotRun for SQLite, the driver's
    error for a server.
    """
    keys = _keys(name)
    began = time.monotonic_ns()
    rows = server.execute(
        f"SELECT id, value FROM lab_{mode} WHERE id BETWEEN {keys[0]} AND {keys[-1]} ORDER BY id",
        DATABASE,
    )
    ended = time.monotonic_ns()
    seen = {key: frozen(json.loads(value)) for key, value in rows}
    steps = tuple(("read", key, value) for key, value in seen.items())
    if WORKLOADS[name].absent:
        size = WORKLOADS[name].window
        groups = [keys[place : place + size] for place in range(0, len(keys), size)]
        steps = tuple(
            (
                "list",
                (group[0], group[-1]),
                tuple((key, seen[key]) for key in group if key in seen),
            )
            for group in groups
        )
    return Operation(client=0, type="ok", t0=began, t1=ended, value=steps, f=name, host=SQL)


def _keys(name):
    first = first_key(name)
    return range(first, first + WORKLOADS[name].window * WORKLOADS[name].windows)


def _read(lab, mode, name, number):
    """All of the workload's keys, read by a new client; returns the Operations."""
    workload, keys = WORKLOADS[name], _keys(name)
    url, token = lab
    with Client(url, mode, token, number) as client:
        if workload.absent:
            for place in range(0, len(keys), workload.window):
                client.get(name, ("list", (keys[place], keys[place + workload.window - 1])))
            return client.history
        for place in range(0, len(keys), KEYS_IN_A_READ):
            client.read(name, *keys[place : place + KEYS_IN_A_READ])
        return client.history


def _read_and_write(lab, mode, name, number):
    """_read, and a write to a key that the workload leaves alone: no lock may be left."""
    reads = _read(lab, mode, name, number)
    url, token = lab
    with Client(url, mode, token, number) as client:
        return reads, client.transact(name, ("write", keys_created(name), WORKLOADS[name].value))


def _missing(history, target):
    """Which processes have not answered each of the reads, as text; empty if all have."""
    answered = collections.defaultdict(set)
    for operation in history:
        answered[operation.value[0][1]].add(operation.pid if operation.ok else None)
    loaded = target.loaded()
    if len(loaded) != target.processes:
        return f"{len(loaded)} of {target.processes} processes have loaded the application"
    silent = loaded - set.intersection(*answered.values())
    return f"the processes {sorted(silent)} have not answered the final reads" if silent else ""
