"""A user of one of the lab's modes: writes its own key and reads everybody's."""

import itertools
import os
import random
import time

from locust import task
from locust.runners import WorkerRunner

from scripts.lib.loadtest.exchange import CheckedUser
from scripts.lib.loadtest.ledger import MADE_UP, Ledger
from scripts.lib.loadtest.listings import MALFORMED

FIRST_VALUE = 0
MOST_READ = 8

_ledger = Ledger()
_keys = []
_users_made = itertools.count()
_values = itertools.count(FIRST_VALUE + 1)


class LabUser(CheckedUser):
    """Writes increasing values, and reads with the same check as on the site.

    A user that gets no key only reads.
    """

    def __init__(self, environment):
        super().__init__(environment)
        self.base = f"/lab/{os.environ['LOADTEST_LAB']}"
        self.key = _next_key(environment.runner)

    @task(10)
    def write(self):
        if self.key is None:
            return self.read_several()
        value = next(_values)
        write = _ledger.begin(self.key, value, time.monotonic())

        def judge(answer):
            if answer.status != 200:
                if answer.says_unchanged:
                    _ledger.refuse(write)
                return False
            _ledger.acknowledge(write, answer.ended)
            done = answer.json["operations"] == [["write", self.key, value]]
            return None if done else MADE_UP

        body = {"operations": [["write", self.key, value]]}
        path = f"{self.base}/transactions"
        answer = self.exchange("POST", path, "transactions", judge, body)
        if answer.status != 200 and not answer.says_unchanged:
            self.key = None

    @task(20)
    def read_own(self):
        if self.key is not None:
            self._read([self.key], "keys, own")

    @task(10)
    def read_several(self):
        count = min(MOST_READ, len(_keys))
        if count:
            self._read(random.sample(_keys, count), "keys, several")

    def _read(self, keys, kind):
        def judge(answer):
            if answer.status != 200:
                return False
            values = answer.json["values"]
            if set(values) != set(map(str, keys)):
                return MALFORMED
            faults = (_ledger.fault(key, values[str(key)], *answer.times) for key in keys)
            return next(filter(None, faults), None)

        ids = ",".join(map(str, keys))
        self.exchange("GET", f"{self.base}/keys?ids={ids}", kind, judge)


def _next_key(runner):
    """A key for a new user of this process, used by no other process; None if all are taken."""
    processes = int(os.environ["LOADTEST_PROCESSES"])
    place = runner.worker_index if isinstance(runner, WorkerRunner) else 0
    key = next(_users_made) * processes + place + 1
    if place >= processes or key > int(os.environ["LOADTEST_KEYS"]):
        return None
    _ledger.acknowledge(_ledger.begin(key, FIRST_VALUE, 0), 0)
    _keys.append(key)
    return key
