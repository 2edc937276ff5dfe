"""scripts/check: the site looked at before it is served, one line each.

Everything runs as the daemons' user and in their environment; nothing is changed.
"""

import argparse
import os
import re
from pathlib import Path

from app.check.findings import WRONG
from scripts.lib.check.inside import PARTS, look
from scripts.lib.check.surroundings import surroundings
from scripts.lib.command import ROOT, command_parser, run, whole_number
from scripts.lib.serving.site_settings import read_site_settings
from scripts.lib.serving.user import become_daemon

SITE_CONF = ROOT / "apache" / "site.conf"


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/check",
        "Look at the site before it is served, as the daemons' user (www-data for root): one line "
        "each, `ok`, `warning` (it is served) or `wrong`, with the cure. Exit status 1: something "
        "would be served wrongly; 2: an option or a setting is wrong.",
    )
    add = made.add_argument
    add("--csp", type=_policy, metavar="POLICY", help="the Content-Security-Policy, if the Define "
        "WEBPY_CSP has another than apache/site.conf")  # fmt: skip
    add("--seconds", type=whole_number(1, 600), default=30, help="how long the application may "
        "take to load (default 30, as in apache/site.conf)")  # fmt: skip
    add(
        "--var",
        type=Path,
        default=ROOT / "var",
        metavar="DIR",
        help="the state folder of "
        "scripts/serve, whose settings are used if there are no others (default: var)",
    )
    return made


def _policy(text):
    if not re.fullmatch('[^\n"]+', text):
        raise argparse.ArgumentTypeError(f"is {text!r}: write a policy such as default-src 'self'")
    return text


def settings_file(folder):
    """The settings file, or None: as scripts/serve and scripts/shell choose it."""
    if os.environ.get("SITE_SETTINGS"):
        return os.environ["SITE_SETTINGS"]
    if (ROOT / "site.env").exists():
        return str(ROOT / "site.env")
    made = folder / "site.env"
    return str(made) if os.access(made, os.R_OK) else None


def main(arguments):
    """Check as the command line `arguments` say; returns the exit status."""
    options = parser().parse_args(arguments)
    user = become_daemon()
    file = settings_file(options.var.absolute())
    environment = os.environ | ({"SITE_SETTINGS": file} if file else {})
    settings = read_site_settings(environment)
    wrong = False
    for finding in surroundings(user, settings):
        wrong = _told(finding) or wrong
    for part in PARTS:
        for finding in look(part, environment, options.seconds, options.csp).findings:
            wrong = _told(finding) or wrong
    return 1 if wrong else 0


def _told(finding):
    print(finding, flush=True)
    return finding.level == WRONG


if __name__ == "__main__":
    run("scripts/check", main)
