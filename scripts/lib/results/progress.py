"""A progress bar on a terminal, for work in parts that take about the same time."""

import sys
import threading
import time

WIDTH = 30
SECONDS_BETWEEN = 0.5


class Progress:
    """A context manager that draws the bar while its block runs, if stderr is a terminal.

    It moves with the time: it expects a part to last as long as the average part before it.
    """

    def __init__(self, parts, seconds_each):
        """`parts`: how many there are; `seconds_each`: what each takes at least."""
        self._parts = parts
        self._expected = seconds_each
        self._done = -1
        self._what = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw_often, daemon=True)

    def __enter__(self):
        self._began = self._part_began = time.monotonic()
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *error):
        if self._thread.is_alive():
            self._ended.set()
            self._thread.join()
            print(file=sys.stderr)

    def next(self, what):
        """The next part begins; `what`: its name."""
        self._done += 1
        self._what = what
        self._part_began = time.monotonic()
        if self._done:
            self._expected = (self._part_began - self._began) / self._done

    def line(self, now):
        """The bar at the time `now` of time.monotonic(), as text."""
        passed = max(0, now - self._part_began)
        done = max(0, self._done) + min(1, passed / self._expected)
        left = (self._parts - done) * self._expected
        bar = "#" * int(WIDTH * done / self._parts)
        minutes, seconds = divmod(round(left), 60)
        return f"[{bar:{WIDTH}}] about {minutes}:{seconds:02} left; {self._what:30}"

    def _draw_often(self):
        while not self._ended.wait(SECONDS_BETWEEN):
            print(f"\r{self.line(time.monotonic())}", end="", file=sys.stderr, flush=True)
