"""Clients that leave in mid-request: which requests they leave, when, and how many."""

import contextlib
import multiprocessing

# Seconds after which a client that leaves does so; 0 while it is still sending.
PATIENCES = (0, 0.001, 0.004)


class Left(ConnectionError):
    """The client has closed its connection before it had an answer."""


class Leaving:
    """What the client processes share: which part of the requests they leave, and the count."""

    def __init__(self):
        self._share = multiprocessing.Value("d", 0)
        self._count = multiprocessing.Value("i", 0)

    @contextlib.contextmanager
    def by(self, share):
        """Have clients leave this part of their requests within the block.

        Yields a function that returns how many they have left in it.
        """
        before = self._count.value
        self._share.value = share
        try:
            yield lambda: self._count.value - before
        finally:
            self._share.value = 0

    def patience(self, choice):
        """The seconds that a client waits for its next answer, or None for as long as it takes.

        choice: the client's random.Random.
        """
        share = self._share.value
        return choice.choice(PATIENCES) if share and choice.random() < share else None

    def note(self):
        """Count a request that its client has left."""
        with self._count.get_lock():
            self._count.value += 1
