"""What is done to the site under load, fault by fault, and which comes when.

A fault is a function of a Target (target.py) and a random.Random. It ends what would last: it lets
a stopped process go on and starts a stopped database server. The site must do the rest. A fault
that meets messages or requests returns how many it has met.
"""

import itertools
import math
import os
import random
import signal
import subprocess
import time

from scripts.lib.coherency.history import Fault
from scripts.lib.command import CannotRun
from scripts.lib.serving.databases import SERVERS

# Seconds without a fault before each fault, and after the last one.
PAUSE = 1
# Seconds of load for each fault.
SECONDS_EACH = 4
SECONDS_STOPPED = 1
# How long the network is disturbed, or clients leave. If that meets nothing, it lasts longer, but
# not for ever: some modes never send a COMMIT. SHARE_LEFT: the part of the requests left.
SECONDS_DISTURBED = 1
MOST_SECONDS_DISTURBED = 5
SHARE_LEFT = 0.6
SECONDS_JUMPED = 3600


def kill(target, choice):
    """Kill one daemon by SIGKILL, in the middle of its work."""
    pid = choice.choice(sorted(target.pids()))
    os.kill(pid, signal.SIGKILL)
    target.wait_until_gone({pid})


def stop(target, choice):
    """Stop one daemon for SECONDS_STOPPED, perhaps with a transaction and its locks."""
    pid = choice.choice(sorted(target.pids()))
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(SECONDS_STOPPED)
    finally:
        os.kill(pid, signal.SIGCONT)


def reload(target, choice):
    """Replace the mode's daemons one after the other, as scripts/reload does the site's."""
    target.replace()


def graceful(target, choice):
    """Have Apache start anew with all its daemons, as apachectl graceful does."""
    before = target.pids()
    os.kill(target.apache, signal.SIGUSR1)
    target.wait_until_gone(before)


def restart_database(target, choice):
    """Restart the database server cleanly: it ends all sessions."""
    target.server.stop("fast")
    target.server.start()


def crash_database(target, choice):
    """Have the database server crash, and start it: it recovers from its log."""
    target.server.stop("immediate")
    target.server.start()


def end_sessions(target, choice):
    """End all sessions on the database server, as an administrator can."""
    target.server.end_sessions()


def network(kind):
    """A fault of the network to the database server: one of the KINDS of proxy.py."""

    def disturb_network(target, choice):
        with target.proxy.disturbed(kind, choice) as disturbance:
            _wait_until_met(lambda: disturbance.count)
        return disturbance.count

    return disturb_network


def _wait_until_met(count):
    ends = time.monotonic() + MOST_SECONDS_DISTURBED
    time.sleep(SECONDS_DISTURBED)
    while not count() and time.monotonic() < ends:
        time.sleep(0.05)


def leave(target, choice):
    """Have clients close their connection in the middle of most of their requests."""
    with target.leaving.by(SHARE_LEFT) as left:
        _wait_until_met(left)
        return left()


def jump(target, choice):
    """Have the wall clock of all the site's processes jump an hour ahead and an hour back."""
    seen = 0
    try:
        for seconds in choice.sample((SECONDS_JUMPED, -SECONDS_JUMPED), 2):
            target.clock.set(seconds)
            time.sleep(SECONDS_DISTURBED / 2)
            seen += target.clock.is_seen(target.url, seconds)
    finally:
        target.clock.set(0)
    return seen


NETWORK = (
    "network delay",
    "queries stop",
    "answers stop",
    "COMMIT cut off",
    "COMMIT unanswered",
    "half an answer",
)
FAULTS = {
    "kill -9": kill,
    "SIGSTOP": stop,
    "rolling reload": reload,
    "graceful": graceful,
    "database restart": restart_database,
    "database crash": crash_database,
    "connection kill": end_sessions,
    "clients leave": leave,
    "clock jump": jump,
    **{kind: network(kind) for kind in NETWORK},
}
NEED_A_SERVER = {"database restart", "database crash", "connection kill", *NETWORK}


def faults_on(engine):
    """The names of the FAULTS that a site on `engine` can have."""
    return FAULTS.keys() if engine in SERVERS else FAULTS.keys() - NEED_A_SERVER


class Schedule:
    """Deals out the faults to the loads: to each mode all in turn, in an order by the seed.

    However short the loads are, a mode that has `loads` of them gets every fault.
    """

    def __init__(self, names, loads, seed):
        self._names = sorted(names)
        self._least = math.ceil(len(self._names) / loads)
        self._seed = seed
        self._turns = {}

    def take(self, mode, seconds):
        """The names of the faults for the next load of `mode`, which lasts that long."""
        if mode not in self._turns:
            order = random.Random(f"{self._seed} {mode}").sample(self._names, len(self._names))
            self._turns[mode] = itertools.cycle(order)
        count = max(self._least, int(seconds // SECONDS_EACH))
        return list(itertools.islice(self._turns[mode], count))


def disturb(target, names, seconds, choice):
    """Do the FAULTS called `names` to the target, spread over `seconds`; returns the Faults.

    A Fault lasts until all of the mode's processes have loaded the application. The next one
    begins a PAUSE later, so all may take longer than `seconds`. The final reads find a process
    that does not come back.
    Raises CannotRun where a fault cannot be done.
    """
    begin = time.monotonic()
    done = []
    for number, name in enumerate(names, 1):
        due = begin + seconds * number / (len(names) + 1)
        time.sleep(max(PAUSE, due - time.monotonic()))
        t0 = time.monotonic_ns()
        try:
            count = FAULTS[name](target, choice)
        except (CannotRun, OSError, subprocess.CalledProcessError) as error:
            raise CannotRun(f"{name} cannot be done to {target.mode}: {error}") from error
        target.wait_until_loaded()
        done.append(Fault(name, t0, time.monotonic_ns(), 1 if count is None else count))
    time.sleep(PAUSE)
    return tuple(done)
