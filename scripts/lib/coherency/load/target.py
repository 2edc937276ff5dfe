"""One mode of the lab on a site of our own: its processes and the database behind them."""

import time
from dataclasses import dataclass

from scripts.lib.command import CannotRun
from scripts.lib.serving.daemons import daemon_pids, loaded_pids, roll

KIND = "lab"
# Seconds within which processes end or load the application.
SECONDS = 60


@dataclass(frozen=True)
class Target:
    """A mode of the lab, served by this number of `processes`.

    apache: the process id of its parent. server: the database's, one of SERVERS or SQLite
    (databases.py). proxy: the Proxy before it, or None. leaving: the clients' Leaving. clock: the
    processes' Clock, or None. url: the site's.
    """

    apache: int
    mode: str
    processes: int
    server: object
    proxy: object = None
    leaving: object = None
    clock: object = None
    url: str = ""

    def pids(self):
        """The process ids of the mode's daemons; CannotRun if there is none."""
        pids = daemon_pids(self.apache, self.mode, KIND)
        if not pids:
            raise CannotRun(f"Apache has no process titled ({KIND}:{self.mode})")
        return pids

    def loaded(self):
        """The process ids of the daemons that have loaded the application."""
        return loaded_pids(self.apache, self.mode, KIND)

    def wait_until_loaded(self):
        """Wait until all processes have loaded the application; returns whether they have."""
        return _wait(lambda: len(self.loaded()) == self.processes)

    def wait_until_gone(self, pids):
        """Wait until none of `pids` is the mode's any more; CannotRun if one stays."""
        if not _wait(lambda: pids.isdisjoint(daemon_pids(self.apache, self.mode, KIND))):
            raise CannotRun(f"one of the processes {sorted(pids)} has not ended after {SECONDS} s")

    def replace(self):
        """Replace the daemons one after the other; raises CannotRun if one stays."""
        roll(self.apache, self.mode, kind=KIND)


def _wait(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
