"""scripts/check: checks the site before it is served, and prints a line for each finding.

Everything runs as the daemons' user and in their environment; nothing is changed.
"""

import argparse
import os
import re
from itertools import chain
from pathlib import Path

from app.check.findings import WRONG
from scripts.lib.check.apache import read_apache
from scripts.lib.check.inside import PARTS, look
from scripts.lib.check.surroundings import surroundings
from scripts.lib.command import ROOT, command_parser, run, whole_number
from scripts.lib.serving.site_settings import read_site_settings, settings_file
from scripts.lib.serving.user import DAEMON_USER, become_daemon


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/check",
        "Check the site before it is served, as the daemons' user (www-data for root). Each line "
        "says `ok`, `warning` (the site can be served) or `wrong`, with the cure. Exit status 1: "
        "something would be served wrongly; 2: an option or a setting is wrong.",
    )
    add = made.add_argument
    add("--apache", type=Path, metavar="FILE", help="also check the Apache that serves it: its "
        "main configuration file (Debian's: /etc/apache2/apache2.conf)")  # fmt: skip
    add("--define", type=_define, action="append", default=[], metavar="NAME=VALUE", help="a "
        "Define that this Apache is given before its configuration")  # fmt: skip
    add("--csp", type=_policy, metavar="POLICY", help="the Content-Security-Policy, if the Define "
        "WEBPY_CSP sets another than apache/site.conf")  # fmt: skip
    add("--seconds", type=whole_number(1, 600), default=30, help="how long the application may "
        "take to load (default 30, as in apache/site.conf)")  # fmt: skip
    add(
        "--var",
        type=Path,
        default=ROOT / "var",
        metavar="DIR",
        help="the state folder of scripts/serve, whose settings are used if there are no others "
        "(default: var)",
    )
    return made


def _policy(text):
    if not re.fullmatch('[^\n"]+', text):
        raise argparse.ArgumentTypeError(f"is {text!r}: write a policy such as default-src 'self'")
    return text


def _define(text):
    name, equals, value = text.partition("=")
    if not (re.fullmatch(r"\w+", name) and equals and '"' not in value):
        raise argparse.ArgumentTypeError(f"is {text!r}: write one such as WEBPY_PROCESSES=4")
    return name, value


def apache_environment(options):
    """The variables with which the daemons start; SITE_SETTINGS is the file of `settings_file`.

    With --apache they stay as they are: scripts/check has already removed the shell's.
    """
    file = settings_file(os.environ, options.var.absolute())
    if options.apache or file is None or not os.access(file, os.R_OK):
        return dict(os.environ)
    return os.environ | {"SITE_SETTINGS": str(file)}


def main(arguments):
    """Check as the command line `arguments` say; returns the exit status."""
    options = parser().parse_args(arguments)
    # Its configuration, or its certificates, may be root's.
    server = read_apache(options.apache.absolute(), options.define) if options.apache else None
    user = become_daemon(server.user if server else DAEMON_USER)
    environment = apache_environment(options)
    settings = read_site_settings(environment)
    policy = options.csp or (server and server.policy)
    found = chain(
        surroundings(user, settings, server),
        *(_findings(part, environment, options.seconds, policy) for part in PARTS),
    )
    return 1 if sum(map(_told, found)) else 0


def _findings(*arguments):
    # A generator looks only when its turn comes: each line is printed at once.
    yield from look(*arguments).findings


def _told(finding):
    """Print it; returns whether it is wrong."""
    print(finding, flush=True)
    return finding.level == WRONG


if __name__ == "__main__":
    run("scripts/check", main)
