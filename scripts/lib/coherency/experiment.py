"""scripts/coherency: every workload in every mode of the lab, checked, as one table.

The exit status is 0 if the bundle is valid everywhere and the other modes have shown the faults
that they must; 1 if the bundle is invalid; 2 if that is unknown, or the experiment cannot run.
"""

import argparse
import collections
import contextlib
import os
import random
import sqlite3
import sys
import traceback
from functools import partial

from app.lab.modes import MODES
from scripts.lib.apache import ROOT, ServerError
from scripts.lib.coherency.client import Client
from scripts.lib.coherency.drive import ClientPool, run_workload, warm_up
from scripts.lib.coherency.faults import Schedule, disturb, faults_on
from scripts.lib.coherency.final_reads import SQL, from_inside, from_outside
from scripts.lib.coherency.html_report import write_report
from scripts.lib.coherency.report import Row, outcome, summary, write_history, write_results
from scripts.lib.coherency.result import Outcome
from scripts.lib.coherency.target import Target
from scripts.lib.coherency.workloads import WORKLOADS
from scripts.lib.databases import SERVERS, DatabaseError
from scripts.lib.modwsgi import ModuleError
from scripts.lib.options import site_address, whole_number
from scripts.lib.own_site import OwnSite, own_site
from scripts.lib.progress import Progress
from scripts.lib.runs import RunError, described, engine_version, new_run
from scripts.lib.stopping import STOPPED, stop_in_order

TOKEN = "SITE_API_TOKEN"
CANNOT_RUN = (DatabaseError, ModuleError, RunError, ServerError, OSError, sqlite3.Error)


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    parser = argparse.ArgumentParser(
        prog="scripts/coherency",
        description="Drive the lab's modes and check them; without --url in an own Apache.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--seconds",
        type=whole_number(1, 3600),
        default=60,
        help="of load on each mode, shared by the workloads (default 60)",
    )
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument(
        "--clients", type=whole_number(2, 15), default=6, help="processes (default 6)"
    )
    parser.add_argument("--seed", type=whole_number(0, 10**9), default=0)
    parser.add_argument(
        "--url",
        type=site_address,
        help=f"a running site with the lab on; the environment needs its {TOKEN}",
    )
    parser.add_argument(
        "--database", choices=("sqlite", *SERVERS), help="without --url (default sqlite)"
    )
    parser.add_argument(
        "--processes", type=whole_number(1, 64), help="of each mode, without --url (default 4)"
    )
    parser.add_argument(
        "--threads", type=whole_number(1, 64), help="of each process, without --url (default 4)"
    )
    parser.add_argument(
        "--faults",
        action="store_true",
        help="kill, stop and restart daemons, Apache and the database under load; without --url",
    )
    options = parser.parse_args(arguments)
    _check(parser, options)
    options.modes = list(dict.fromkeys(options.modes))
    options.workloads = list(dict.fromkeys(options.workloads))
    options.database = options.database or "sqlite"
    options.serializable_reads = options.database == "sqlite" and not options.url
    options.processes = options.processes or 4
    options.threads = options.threads or 4
    options.seconds_each = options.seconds / len(options.workloads)
    return options


def _check(parser, options):
    """End with status 2 and a message if options do not go together."""
    for name in ("database", "processes", "threads"):
        if options.url and getattr(options, name) is not None:
            parser.error(f"argument --{name}: the site at --url has its own; leave one out")
    if options.url and options.faults:
        parser.error("argument --faults: only a site of its own is disturbed; leave --url out")
    if options.url and not os.environ.get(TOKEN):
        parser.error(f"{TOKEN} is not set: put the API token of the site at --url into it")


@contextlib.contextmanager
def lab_of(options):
    """The lab to drive; yields an OwnSite, whose log is None for a site that runs already.

    Raises OSError if that one does not answer as the lab does, and what own_site raises.
    """
    if not options.url:
        with own_site(options.database, options.processes, options.threads, lab=True) as lab:
            yield lab
        return
    token = os.environ[TOKEN]
    for mode in options.modes:
        with Client(options.url, mode, token) as client:
            client.reset(1, 0)
    yield OwnSite(options.url, token)


def run_all(site, options, folder):
    """Run and check every workload in every mode of the OwnSite; returns (Rows, hosts)."""
    rows = []
    hosts = set()
    cells = [(workload, mode) for workload in options.workloads for mode in options.modes]
    schedule = None
    if options.faults:
        schedule = Schedule(faults_on(options.database), len(options.workloads), options.seed)
    with ClientPool(options.clients) as pool:
        for mode in options.modes:
            warm_up(pool, (site.url, site.token), mode, options.clients)
        with Progress(len(cells), options.seconds_each) as progress:
            for workload, mode in cells:
                progress.next(f"{workload}, {mode}")
                history, row = _run_cell(pool, site, workload, mode, options, schedule)
                write_history(folder, mode, workload, history)
                hosts |= {operation.host for operation in history if operation.host}
                rows.append(row)
    return rows, sorted(hosts - {SQL})


def _run_cell(pool, site, workload, mode, options, schedule):
    """Run and check one workload in one mode; returns (history, Row)."""
    lab = (site.url, site.token)
    target = Target(site.apache, mode, options.processes, site.server)
    faults = None
    if schedule:
        if mode != "bundle":
            # The connections of stock SQLObject that a fault broke in another load stay broken.
            target.replace()
        names = schedule.take(mode, options.seconds_each)
        choice = random.Random(f"{options.seed} {mode} {workload}")
        faults = partial(disturb, target, names, options.seconds_each, choice)
    load = run_workload(pool, lab, mode, workload, options, faults)
    if options.url:
        final = from_outside(lab, mode, workload)
    else:
        final = from_inside(pool, lab, mode, workload, target, options.clients)
    if final.failed:
        # The next workload is to show what it does by itself.
        target.replace()
    history = load.history + final.history
    row = Row(
        workload=workload,
        mode=mode,
        result=final.judged(WORKLOADS[workload].check(history)),
        operations=len(history),
        acknowledged=sum(operation.ok for operation in history),
        seconds=load.seconds,
        expected=WORKLOADS[workload].seen.get(mode, ""),
        faults=load.faults,
        retries=sum(operation.runs - 1 for operation in history),
    )
    return history, row


def configuration(options, hosts, rows):
    """What was run, as a dict of text and numbers; `hosts`: the names of those that answered."""
    faults = collections.Counter(fault.name for row in rows for fault in row.faults)
    packages = ("web.py", "SQLObject", "mod_wsgi", "networkx")
    served = {
        "database": engine_version(options.database),
        "served by": f"{options.processes} processes x {options.threads} threads for each mode",
    }
    further = {
        **({"site": options.url} if options.url else served),
        "hosts that answered": ", ".join(hosts),
        "seconds of load on each mode": options.seconds,
        "client processes": options.clients,
        "seed": options.seed,
        "faults": ", ".join(f"{count} {name}" for name, count in sorted(faults.items())) or "none",
    }
    return described("scripts/coherency", packages, **further)


def main():
    """Run the experiment and print its table; returns the exit status."""
    options = parse_options(sys.argv[1:])
    stop_in_order()
    try:
        with lab_of(options) as lab:
            folder = new_run(ROOT / "var" / "coherency")
            rows, hosts = run_all(lab, options, folder)
            ran = configuration(options, hosts, rows)
            log = lab.log.read_text(errors="replace") if lab.log else None
            write_results(folder, ran, rows, log)
        print("\n".join(summary(ran, rows)))
        write_report(folder, ran, rows)
    except CANNOT_RUN as error:
        print(f"scripts/coherency: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scripts/coherency: stopped", file=sys.stderr)
        return STOPPED
    except Exception:
        # Left to Python it would end with status 1, which is for a bundle that is invalid.
        traceback.print_exc()
        return Outcome.UNKNOWN.value
    print(f"The plots and the witnesses are in {folder}/report.html, the histories beside it")
    return outcome(rows).value


if __name__ == "__main__":
    sys.exit(main())
