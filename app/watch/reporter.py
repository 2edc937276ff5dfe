"""The thread of a daemon process that reports what no request reports."""

import threading


class Reporter:
    """Calls a function at regular times, from the first request on: one in each process."""

    def __init__(self, report, seconds=5):
        """`report`: the function, which raises nothing; it is called each `seconds`."""
        self._report, self._seconds = report, seconds
        self._mutex = threading.Lock()
        self._started = False

    def notice(self, request):
        """Start the thread, once, and not before a request: scripts/reload sees by the threads of
        a daemon when its application is loaded."""
        if self._started:
            return
        with self._mutex:
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, daemon=True, name="metrics").start()

    def _run(self):
        pause = threading.Event()
        while True:
            self._report()
            pause.wait(self._seconds)
