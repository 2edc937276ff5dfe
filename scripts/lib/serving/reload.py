"""scripts/reload: changed code goes live without losing a request."""

import argparse
import sys
from pathlib import Path

from scripts.lib.serving.apache import ROOT
from scripts.lib.serving.daemons import LONGEST_TITLE, ReloadError, roll


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    parser = argparse.ArgumentParser(
        prog="scripts/reload",
        description="Replace the site's daemon processes one after the other.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--pid-file",
        type=Path,
        default=ROOT / "var" / "apache" / "apache.pid",
        metavar="FILE",
        help="Apache's pid file (default: that of scripts/serve; Debian's own Apache has"
        " /run/apache2/apache2.pid)",
    )
    parser.add_argument("--name", default="webpy-site", help="the WEBPY_NAME of apache/site.conf")
    options = parser.parse_args(arguments)
    if len(f"(wsgi:{options.name})") > LONGEST_TITLE:
        parser.error("argument --name: its processes cannot be told apart: use 10 characters")
    return options


def read_pid(path):
    """The process id in the file `path`. Raises ReloadError if there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError) as error:
        raise ReloadError(
            f"no process id in {path} ({error}): is Apache running? Name its pid file with"
            " --pid-file"
        ) from None


def main(arguments):
    """Reload as the command line `arguments` say; returns the exit status."""
    options = parse_options(arguments)
    try:
        count = roll(read_pid(options.pid_file), options.name)
    except ReloadError as error:
        print(f"scripts/reload: {error}", file=sys.stderr)
        return 2
    except PermissionError:
        print("scripts/reload: not allowed: run it as Apache's user or root", file=sys.stderr)
        return 2
    print(f"replaced {count} processes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
