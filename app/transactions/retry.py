"""Runs work in transactions until one run counts: what is run again, and when it is given up."""

import itertools
import math
import random
import time
from dataclasses import dataclass

from . import after
from .engines.base import Verdict
from .errors import GivenUp, RunEnded

FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.25
# These are run again at once and without a limit: the next run does not have their cause.
AT_ONCE = frozenset([Verdict.REFUSED, Verdict.STALE, Verdict.OVERTAKEN, Verdict.OTHER_KIND])
_AGAIN = AT_ONCE | {Verdict.CONFLICT}
# After this number of conflicts a run waits until it is alone.
ALONE_AFTER = 2


@dataclass(frozen=True)
class Limits:
    """Work that conflicts is run at most `attempts` times, and not again after `seconds`.

    All of it is given up `timeout` seconds after its beginning.
    """

    attempts: int = 10
    seconds: float = 10
    timeout: float = math.inf


def run(begin, work, writing, limits):
    """Return what `work(transaction)` returns in the run that counts.

    `begin(writing)` returns the transaction of a run; `work` ends it, and raises RunEnded where
    the run came to nothing. Raises GivenUp, and what `work` raises otherwise.
    """
    transaction = begin(writing)
    try:
        return work(transaction)
    except RunEnded:
        return again(transaction, begin, work, limits)


def again(transaction, begin, work, limits):
    """As `run`, after a first run that came to nothing; `transaction`: that run's."""
    conflicts = times_alone = 0
    alone = False
    for runs in itertools.count(2):
        if transaction.ended_by in _AGAIN and transaction.is_late():
            transaction.ended_by = Verdict.LATE
        reason = transaction.ended_by
        if reason not in AT_ONCE:
            conflicts += 1
            alone = _goes_alone(transaction, conflicts, limits)
            if alone:
                times_alone += 1
            else:
                time.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**conflicts)))
        writing, forced = transaction.writing, transaction.forced
        if reason is Verdict.REFUSED:
            writing = forced = True
        elif reason is Verdict.OTHER_KIND:
            # Once a mark has asked for a writing run it stays one: two marks could ask in turn for
            # ever.
            writing = forced = transaction.wanted
        transaction = begin(writing)
        transaction.runs, transaction.forced = runs, forced
        transaction.alone = times_alone if alone else 0
        try:
            return work(transaction)
        except RunEnded:
            pass


def _goes_alone(transaction, conflicts, limits):
    """Whether the run after this number of conflicts goes alone, as the last one does.

    Raises GivenUp where nothing is run again.
    """
    attempts = transaction.attempts or limits.attempts
    late = time.monotonic() - transaction.started > limits.seconds
    if transaction.ended_by is not Verdict.CONFLICT or late or conflicts >= attempts:
        after.given_up(transaction)
        raise GivenUp(transaction.ended_by)
    return conflicts % ALONE_AFTER == 0 or conflicts == attempts - 1
