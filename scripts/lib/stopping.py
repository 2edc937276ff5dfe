"""How a script is stopped: whoever tells it to, it ends what it has started before it ends."""

import signal
import time

STOPPED = 130
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_in_order():
    """Have SIGTERM and SIGHUP, of a closed terminal, raise KeyboardInterrupt as Ctrl-C does."""
    told = []

    def stop(_number, _frame):
        # One wish to stop may come twice: timeout(1) signals its child and then its whole group.
        told.append(time.monotonic())
        if len(told) == 1 or told[-1] - told[0] > 1:
            raise KeyboardInterrupt

    on_stop(stop)


def on_stop(handler):
    """Have `handler(number, frame)` called for each signal that tells a script to stop.

    SIGHUP stays ignored where it is, as by nohup(1).
    """
    for number in STOPS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
