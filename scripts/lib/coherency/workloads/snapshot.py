"""Groups of keys that are always written together, read in one request in several ways."""

from scripts.lib.coherency.checkers import snapshot
from scripts.lib.coherency.workloads.base import Workload

SIZE = 4
VALUES = 4
# So low that kept rows stay valid from request to request.
SHARE_OF_WRITES = 0.15
PAUSE = 2


def reads_and_writes(turn):
    """Writes of all keys of the window, or several looks at them, which may begin with a pause."""
    if turn.choice.random() < SHARE_OF_WRITES:
        value = turn.choice.randrange(VALUES)
        return [("write", key, value) for key in turn.keys]
    looks = [_look(turn) for _ in range(turn.choice.randint(3, 6))]
    if turn.often():
        # Others write between the first read and the looks.
        return [("read", turn.key()), ("sleep", PAUSE), *looks]
    return looks


def _look(turn):
    group = (turn.keys[0], turn.keys[-1])
    value = turn.choice.randrange(VALUES)
    return turn.choice.choice(
        [
            ("read", turn.key()),
            ("read", turn.key()),
            ("list", group),
            ("list", (*group, value)),
            ("count", (*group, value)),
        ]
    )


def check(history):
    """Return the Result; the keys of a window are written together."""
    return snapshot.check(history, SIZE)


WORKLOAD = Workload(
    "snapshot", reads_and_writes, check, window=SIZE, seen={"nocache": "read skew"}
)
