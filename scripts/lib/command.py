"""A script as a command: its options, the signals that stop it, and the status it ends with.

def parser(): ...            a command_parser with the options, a help text for each
def main(arguments): ...     does the work and returns the exit status

if __name__ == "__main__":
    run("scripts/reload", main)
"""

import argparse
import re
import signal
import sys
import time
import traceback
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]

# The script has found something wrong.
FAILED = 1
CANNOT_RUN = 2
STOPPED = 130
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CannotRun(Exception):
    """A script, or a part of one, cannot do its work; the message says why, and the cure."""

    def __init__(self, message, status=CANNOT_RUN):
        """`status`: the exit status of a script that ends with it."""
        super().__init__(message)
        self.status = status


def run(script, main):
    """End this process with the status that `main` returns for the command line's arguments.

    script: its name from the checkout, such as "scripts/serve". An error is told on stderr:
    CannotRun and OSError by their message, anything else by its traceback.
    """
    stop_in_order()
    try:
        status = main(sys.argv[1:])
    except CannotRun as error:
        status = _told(script, error, error.status)
    except OSError as error:
        status = _told(script, error, CANNOT_RUN)
    except KeyboardInterrupt:
        status = _told(script, "stopped", STOPPED)
    except Exception:
        # Python itself would end with status 1, by which scripts say what they have found.
        traceback.print_exc()
        status = CANNOT_RUN
    sys.exit(status)


def _told(script, message, status):
    print(f"{script}: {message}", file=sys.stderr)
    return status


def stop_in_order():
    """Have SIGTERM and SIGHUP (a closed terminal) raise KeyboardInterrupt, as Ctrl-C does."""
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


def command_parser(script, description):
    """An ArgumentParser for the options of `script`, which takes no shortened ones.

    A wrong option ends the process with status 2 and a message on stderr.
    """
    return argparse.ArgumentParser(prog=script, description=description, allow_abbrev=False)


def whole_number(lowest, highest):
    """A type for add_argument: a whole number from `lowest` to `highest`."""

    def parse(text):
        if not (text.isdecimal() and text.isascii() and lowest <= int(text) <= highest):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {lowest} to {highest}"
            )
        return int(text)

    return parse


def site_address(text):
    """A type for add_argument: a site's address, returned without a slash at the end."""
    if not (re.fullmatch(r"https?://[^\s/?#@]+(/[^?#]*)?", text) and _is_address(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not like http://localhost:8080")
    return text.rstrip("/")


def site_path(text):
    """A type for add_argument: the path of a page on the site, which may have a query."""
    if not re.fullmatch("/[!-~]*", text) or "#" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not like /page?number=1")
    return text


def mount_path(text):
    """A type for add_argument: where a site is mounted, / or a path without a slash at its end."""
    if not re.fullmatch("/|(/[A-Za-z0-9_.~-]+)+", text):
        raise argparse.ArgumentTypeError(f"is {text!r}: write / or a path such as /wiki")
    return text


def _is_address(text):
    """Whether its host, its port and its path are such that a request can be sent there."""
    try:
        parts = urlsplit(text)
        parts.hostname.encode("idna")
    except (ValueError, AttributeError):
        return False
    return parts.port != 0 and re.fullmatch("[!-~]*", parts.path)
