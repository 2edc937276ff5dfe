"""What a workload is: the requests of its clients, how they are checked, and the keys they use."""

import dataclasses
import random
from collections.abc import Callable

from scripts.lib.coherency.checkers import wrong_lists
from scripts.lib.coherency.checkers.result import merged

KEYS_EACH = 400


@dataclasses.dataclass
class Turn:
    """What a client knows when it makes its next request."""

    client: int
    choice: random.Random
    keys: range = range(0)
    count: int = 0
    done: set = dataclasses.field(default_factory=set)

    def unique(self):
        """A number that no client has had before, above this client's earlier ones."""
        self.count += 1
        return self.client * 10**9 + self.count

    def once(self):
        """Whether this is the first call in this window of keys."""
        first = self.keys.start not in self.done
        self.done.add(self.keys.start)
        return first

    def key(self):
        """A random key of the window."""
        return self.choice.choice(self.keys)

    def often(self):
        """True for one half of the calls."""
        return self.choice.random() < 0.5


@dataclasses.dataclass(frozen=True)
class Workload:
    """A workload, called `name`; its place among the WORKLOADS gives its keys.

    steps: makes a Turn's steps. check: history to Result. value: what the keys begin with.
    window: how many keys are used at once. seen: {mode: the anomaly that must be seen there}.
    cycles: its check needs one order of all transactions. Reading requests have it only where they
    are serializable: on a database server they see one committed snapshot. absent: its keys do not
    exist in the beginning. by: how a request is sent: as a "transaction", by GET where it only
    reads, "get" always, in a web "session", as an "upload" where it writes, as "streams", or
    "apart" from the request's transaction.
    """

    name: str
    steps: Callable
    check: Callable
    value: int | list = 0
    window: int = 4
    windows: int = 1
    seen: dict = dataclasses.field(default_factory=dict)
    cycles: bool = False
    absent: bool = False
    by: str = "transaction"

    def judged(self, history):
        """The Result of a history, whose lists are looked at, too."""
        return merged(self.check(history), wrong_lists.check(history, self.absent))
