"""Runs work in transactions until one run counts: what is run again, and when it is given up."""

import random
import time
from dataclasses import dataclass

from . import after
from .engines.base import Verdict
from .errors import GivenUp, RunEnded

FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.25
# What is run again at once and without a bound: the cause is gone in the next run.
AT_ONCE = frozenset([Verdict.REFUSED, Verdict.STALE, Verdict.OVERTAKEN, Verdict.OTHER_KIND])


@dataclass(frozen=True)
class Limits:
    """Work that conflicts is run at most `attempts` times, and not again after `seconds`."""

    attempts: int = 10
    seconds: float = 10


def run(begin, work, writing, limits, put_back=lambda: None):
    """Return what `work(transaction)` returns in the run that counts.

    `begin(writing)` returns the transaction of a run; `work` ends it. It raises RunEnded where
    the run came to nothing, and then `put_back()` is called. Raises GivenUp, and
    what `work` raises otherwise.
    """
    started = time.monotonic()
    conflicts = 0
    forced = False
    runs = 0
    while True:
        runs += 1
        transaction = begin(writing)
        transaction.runs, transaction.forced = runs, forced
        try:
            return work(transaction)
        except RunEnded:
            put_back()
        reason = transaction.ended_by
        if reason is Verdict.REFUSED:
            writing = forced = True
        elif reason is Verdict.OTHER_KIND:
            # Once a mark asks for a writing one it stays so, or two marks ask in turn for ever.
            writing = forced = transaction.wanted
        if reason in AT_ONCE:
            continue
        conflicts += 1
        late = time.monotonic() - started > limits.seconds
        if reason is not Verdict.CONFLICT or late or conflicts >= _attempts(transaction, limits):
            after.given_up(transaction)
            raise GivenUp(reason)
        time.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**conflicts)))


def _attempts(transaction, limits):
    return transaction.attempts or limits.attempts
