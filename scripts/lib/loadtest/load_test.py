"""scripts/loadtest: loads the site by Locust, and checks what every answer says.

The exit status is 0 if all answers were right, 1 if one failed or was wrong, 2 if an option is
wrong or there is no site to load.
"""

import contextlib
import json
import os
import secrets

from scripts.lib.command import ROOT, CannotRun, run
from scripts.lib.loadtest import report
from scripts.lib.loadtest.options import TOKEN, parse_options
from scripts.lib.loadtest.processes import environment, run_locust
from scripts.lib.loadtest.target import Target, check_master
from scripts.lib.results.runs import described, described_lines, engine_version, new_run
from scripts.lib.serving.apache import answers, tail
from scripts.lib.serving.own_site import OwnSite, own_application_site, own_site


@contextlib.contextmanager
def site(options):
    """The site to load: the one at --url, or one that is served here; yields an OwnSite."""
    if options.url:
        yield OwnSite(options.url, os.environ.get(TOKEN, ""))
    elif options.own:
        with own_application_site(options.processes, options.threads) as own:
            yield own
    else:
        lab = options.lab is not None
        with own_site(options.database, options.processes, options.threads, lab) as own:
            yield own


def load(loaded, options):
    """Load the site and leave nothing behind on it; returns (the run's folder, Locust's totals).

    The totals' "left" is the number of users that the load left behind and that were deleted here.
    Raises CannotRun if the site cannot be loaded.
    """
    prefix = f"loadtest-{secrets.token_hex(4)}-"
    folder = new_run(ROOT / "var" / "loadtest")
    if options.web:
        print(f"Locust's page: http://127.0.0.1:{options.web_port}/ - stop: Ctrl-C", flush=True)
    variables = environment(folder, loaded.token, prefix, options)
    with _prepared(loaded, prefix, options) as left:
        run_locust(folder, loaded.url, variables, options)
    if loaded.log:
        (folder / "error.log").write_text(loaded.log.read_text(errors="replace"))
    return folder, ({} if options.join else _totals(folder)) | {"left": sum(left)}


@contextlib.contextmanager
def _prepared(loaded, prefix, options):
    """Prepare the site for the load, and clear it after; yields the list of how many were left."""
    left = []
    if options.own:
        if not answers(loaded.url + (options.path or ["/"])[0]):
            raise CannotRun(f"no answer at {loaded.url}: is --url right?")
        yield left
        return
    target = Target(loaded.url, loaded.token, prefix)
    target.prepare()
    if options.lab and not options.join:
        target.prepare_lab(options.lab, options.keys)
    try:
        yield left
    finally:
        left.append(target.clear())
        if options.lab and not options.join:
            target.clear_lab(options.lab)


def _totals(folder):
    try:
        return json.loads((folder / "totals.json").read_text())
    except FileNotFoundError:
        log = tail(folder / "locust.log", 10)
        raise CannotRun(f"Locust did not finish:\n{log}") from None
    finally:
        (folder / "totals.json").unlink(missing_ok=True)


def configuration(options):
    """What was run, as a dict of text and numbers."""
    served = f"{options.processes} processes x {options.threads} threads"
    database = "your own application" if options.own else engine_version(options.database)
    further = {
        "site": options.url or f"{served}, {database}",
        "load": _described_load(options),
        "users": options.users,
        "seconds": "until stopped" if options.web else options.seconds,
        "workers": options.workers,
    }
    packages = ("web.py", "SQLObject", "mod_wsgi", "locust")
    return described("scripts/loadtest", packages, **further)


def _described_load(options):
    if options.path:
        return "pages " + " ".join(options.path)
    if options.locustfile:
        return f"the users of {options.locustfile.name}"
    return f"lab, mode {options.lab}" if options.lab else "pages and API"


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


def main(arguments):
    """Run the load test and print its table; returns the exit status."""
    options = parse_options(arguments)
    if options.join:
        check_master(options.join)
    with site(options) as loaded:
        folder, totals = load(loaded, options)
    if options.join:
        report.gather_wrong(folder)
        print(f"the load is over; the totals are at {options.join[0]}, the log is in {folder}")
        return 0
    tell(folder, totals, options)
    return report.verdict(totals)


if __name__ == "__main__":
    run("scripts/loadtest", main)
