"""`python -m app.check application|database --report FD`: looks, and reports as JSON lines.

It is called by `scripts/check`, which gives it the environment of a daemon and a time limit.
"""

import argparse
import json
import os
import sys
import threading

from app.check.findings import OK, WRONG, Finding
from app.settings import SettingsError

PARTS = ("application", "database")


def look_at_application(policy, loaded):
    """Return the Findings in the application, whose import has ended as `loaded` says."""
    from sqlobject import sqlhub

    from app.check import connections, habits, held, hooks, markup, reach, sessions, templates
    from app.check.policy import Policy
    from app.check.sources import sources

    read = sources()
    engine = sqlhub.processConnection
    reached = reach.reached(read)
    broken = [
        Finding(WRONG, f"is no Python: {one.broken}", str(one.path)) for one in read if one.broken
    ]
    found = [
        *hooks.findings(read, reached, connections.webpy_names(read)),
        *habits.findings(read, reached),
        *connections.findings(read, reached, engine),
        *sessions.findings(read),
        *held.findings(read, engine),
    ]
    pages = templates.templates()
    policy = Policy(policy)
    stopped = [*templates.findings(pages, policy), *markup.findings(read, policy)]
    # Why the import failed has been reported.
    if loaded.wholly:
        found += held.debug(read)
    else:
        broken = []
    return [*loaded.findings, *broken, *_summed_up(read, found, pages, stopped)]


def _summed_up(read, found, pages, stopped):
    in_order = sorted(found, key=lambda one: (one.file or "", one.line or 0))
    yield from in_order or [Finding(OK, f"modules, {len(read)}: nothing past the transactions")]
    yield from stopped or [Finding(OK, f"templates, {len(pages)}: nothing that is stopped")]


def main(arguments):
    """Look as the command line `arguments` say; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.check", allow_abbrev=False)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--report", type=int, required=True, help="the file descriptor to write")
    parser.add_argument("--seconds", type=float, default=30, help="for the import")
    parser.add_argument("--policy", default="", help="the Content-Security-Policy that is sent")
    options = parser.parse_args(arguments)
    # As in mod_wsgi, and before web.py looks: the application must not see these options.
    sys.argv[:] = ["mod_wsgi"]
    reported = threading.Lock()

    def report(findings):
        if reported.acquire(blocking=False):
            with os.fdopen(options.report, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(one) + "\n" for one in findings)

    try:
        return _look(options, report)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _look(options, report):
    """Report the Findings; returns 0, or 1 where a daemon could not load the application."""
    from app import load_sqlo
    from app.check.database import findings
    from app.check.listening import Listener
    from app.check.loading import give_up_after, load
    from app.check.sqlite import closed_file

    load_sqlo()
    listener = Listener(closed_file())
    timer = give_up_after(options.seconds, report)
    loaded = load(listener)
    timer.cancel()
    # An imported module may set another connection.
    load_sqlo()
    if options.part == "application":
        report(look_at_application(options.policy, loaded))
    else:
        report(findings(loaded.wholly))
    return 0 if loaded.wholly or loaded.refused else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
