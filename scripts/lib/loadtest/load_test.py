"""scripts/loadtest: loads the site by Locust, and checks what every answer says.

The exit status is 0 if all answers were right, 1 if one failed or was wrong, 2 if an option is
wrong or there is no site to load.
"""

import argparse
import contextlib
import json
import os
import re
import secrets
import signal
import sys

from app.lab.modes import MODES
from scripts.lib.apache import ROOT, ServerError, tail
from scripts.lib.databases import SERVERS, DatabaseError, engine_version
from scripts.lib.loadtest import report
from scripts.lib.loadtest.processes import environment, run_locust
from scripts.lib.loadtest.target import Target, TargetError
from scripts.lib.modwsgi import ModuleError
from scripts.lib.options import whole_number
from scripts.lib.own_site import OwnSite, own_site
from scripts.lib.runs import described, described_lines, new_run

TOKEN = "SITE_API_TOKEN"
MOST_KEYS = 20_000
# On Locust's page the number of users can be raised.
USERS_ON_THE_PAGE = 1000


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    parser = argparse.ArgumentParser(
        prog="scripts/loadtest",
        description="Load the site by Locust and check every answer. Without --url it serves "
        "the site itself, on a new database.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--users", type=whole_number(1, 10_000), default=50, help="at a time (default 50)")
    add("--seconds", type=whole_number(1, 86_400), default=60, help="of load (default 60)")
    add("--workers", type=whole_number(0, 64), default=0, help="share the users (default none)")
    add("--url", type=_address, help=f"a running site; the environment needs its {TOKEN}")
    add("--database", choices=("sqlite", *SERVERS), help="without --url (default sqlite)")
    add("--processes", type=whole_number(1, 64), help="of Apache, without --url (default 4)")
    add("--threads", type=whole_number(1, 128), help="of each process (default 4)")
    add("--lab", choices=MODES, help="load this mode of the coherency lab instead")
    add("--web", action="store_true", help="show Locust's own page, until Ctrl-C")
    add("--web-port", type=whole_number(1024, 65535), default=8089, help="its port (8089)")
    options = parser.parse_args(arguments)
    own = {"--database": options.database, "--processes": options.processes}
    own["--threads"] = options.threads
    for name, value in own.items():
        if options.url and value is not None:
            parser.error(f"argument {name}: the site at --url has its own; leave one out")
    if options.url and not os.environ.get(TOKEN):
        parser.error(f"{TOKEN} is not set: put the API token of the site at --url into it")
    if options.workers > options.users:
        parser.error("argument --workers: more than --users; give at most as many")
    return _completed(options)


def _address(text):
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not like http://localhost:8080")
    return text.rstrip("/")


def _completed(options):
    options.database = options.database or "sqlite"
    options.processes = options.processes or 4
    options.threads = options.threads or 4
    users = max(options.users, USERS_ON_THE_PAGE if options.web else 0)
    options.keys = min(MOST_KEYS, users + options.workers)
    return options


@contextlib.contextmanager
def site(options):
    """The site to load: the one at --url, or one of our own; yields an OwnSite."""
    if options.url:
        yield OwnSite(options.url, os.environ[TOKEN], None)
    else:
        lab = options.lab is not None
        with own_site(options.database, options.processes, options.threads, lab) as own:
            yield own


def load(loaded, options):
    """Load the site and leave nothing behind on it; returns (the run's folder, Locust's totals).

    The totals have, as "left", how many users the load left behind and were deleted here.
    Raises TargetError if the site cannot be loaded.
    """
    prefix = f"loadtest-{secrets.token_hex(4)}-"
    target = Target(loaded.url, loaded.token, prefix)
    target.prepare()
    if options.lab:
        target.prepare_lab(options.lab, options.keys)
    folder = new_run(ROOT / "var" / "loadtest")
    if options.web:
        print(f"Locust's page: http://127.0.0.1:{options.web_port}/ - stop: Ctrl-C", flush=True)
    variables = environment(folder, loaded.token, prefix, options)
    try:
        run_locust(folder, loaded.url, variables, options)
    finally:
        left = target.clear()
        if options.lab:
            target.clear_lab(options.lab)
    if loaded.log:
        (folder / "error.log").write_text(loaded.log.read_text(errors="replace"))
    return folder, _totals(folder) | {"left": left}


def _totals(folder):
    try:
        return json.loads((folder / "totals.json").read_text())
    except FileNotFoundError:
        log = tail(folder / "locust.log", 10)
        raise TargetError(f"Locust did not come to its end:\n{log}") from None
    finally:
        (folder / "totals.json").unlink(missing_ok=True)


def configuration(options):
    """What was run, as a dict of text and numbers."""
    served = f"{options.processes} processes x {options.threads} threads"
    further = {
        "site": options.url or f"{served}, {engine_version(options.database)}",
        "load": f"lab, mode {options.lab}" if options.lab else "pages and API",
        "users": options.users,
        "seconds": "until stopped" if options.web else options.seconds,
        "workers": options.workers,
    }
    packages = ("web.py", "SQLObject", "mod_wsgi", "locust")
    return described("scripts/loadtest", packages, **further)


def tell(folder, totals, options):
    """Print the table and what was wrong, and write both into the run's folder."""
    ran = configuration(options)
    report.write_results(folder, ran, totals)
    print("\n".join([*described_lines(ran), "", *report.table(totals), ""]))
    for cause in report.causes(totals):
        print(cause)
    for example in report.gather_wrong(folder)[: report.WRONG_TOLD]:
        answer = example["answer"][:200].replace("\n", " ")
        print(f"{example['wrong']}: {example['request']}: {answer}")
    print(f"Locust's report and the results are in {folder}")


def main():
    """Run the load test and print its table; returns the exit status."""
    options = parse_options(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with site(options) as loaded:
            folder, totals = load(loaded, options)
    except (DatabaseError, ModuleError, ServerError, TargetError) as error:
        print(f"scripts/loadtest: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scripts/loadtest: stopped", file=sys.stderr)
        return 130
    tell(folder, totals, options)
    return report.verdict(totals)


if __name__ == "__main__":
    sys.exit(main())
