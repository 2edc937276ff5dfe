"""scripts/coherency: every workload in every mode of the lab, checked, as one table.

The exit status is 0 if the bundle is valid everywhere and the other modes have shown the faults
that they must; 1 if the bundle is invalid; 2 if that is unknown, or the experiment cannot run.
"""

import contextlib
import dataclasses
import os
import random
import shutil
import sys
import time
from functools import partial

from scripts.lib.coherency import oracle
from scripts.lib.coherency.checkers import unasked_errors
from scripts.lib.coherency.checkers.result import merged
from scripts.lib.coherency.load.client import Client
from scripts.lib.coherency.load.clock import Clock
from scripts.lib.coherency.load.drive import ClientPool, run_workload, warm_up
from scripts.lib.coherency.load.faults import Schedule, disturb
from scripts.lib.coherency.load.final_reads import SQL, from_inside, from_outside
from scripts.lib.coherency.load.proxy import Proxy
from scripts.lib.coherency.load.target import Target
from scripts.lib.coherency.mutants import trial
from scripts.lib.coherency.options import TOKEN, parse_options
from scripts.lib.coherency.report.html_report import write_report
from scripts.lib.coherency.report.results import (
    Row,
    keep_histories,
    outcome,
    overall_operations,
    summary,
    write_history,
    write_results,
)
from scripts.lib.coherency.report.tally import tally_of
from scripts.lib.coherency.workloads import WORKLOADS
from scripts.lib.command import ROOT, run
from scripts.lib.results.progress import Progress
from scripts.lib.results.runs import described, engine_version, new_run
from scripts.lib.serving.own_site import OwnSite, own_folder, own_site

SECONDS_IN_AN_HOUR = 3600


@contextlib.contextmanager
def lab_of(options):
    """Yield the lab to drive as an OwnSite; its log is None for a site that runs already.

    Raises CannotRun if such a site does not answer as the lab does, and what own_site raises.
    """
    if not options.url:
        with _own_lab(options) as lab:
            yield lab
        return
    token = os.environ[TOKEN]
    for mode in options.modes:
        with Client(options.url, mode, token) as client:
            client.reset(1, 0)
    yield OwnSite(options.url, token)


@contextlib.contextmanager
def _own_lab(options):
    size = options.processes, options.threads
    if not options.faults:
        with own_site(options.database, *size, lab=True) as lab:
            yield lab
        return
    with own_folder("clock-") as folder:
        clock = Clock(folder) if "clock jump" in options.faults else None
        environment = clock.environment if clock else {}
        with own_site(options.database, *size, lab=True, through=Proxy, **environment) as lab:
            yield dataclasses.replace(lab, clock=clock)


def run_all(site, options, folder):
    """Run and check every workload in every mode of the OwnSite; returns (Rows, hosts)."""
    rows = []
    hosts = set()
    cells = [(workload, mode) for workload in options.workloads for mode in options.modes]
    schedule = None
    if options.faults:
        schedule = Schedule(options.faults, len(options.workloads), options.seed)
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


def rounds(site, options, folder):
    """Yield what run_all returns; with --hours or --operations again and again.

    The Rows then are the sums of all rounds. Only one load's history is in memory at a time. The
    files of the last round stay, and those of rounds in which the bundle was not valid. Tells on
    stderr how far it is.
    """
    began = time.monotonic()
    latest, hosts = run_all(site, options, folder)
    rows = latest
    yield rows, hosts
    while left := _left(rows, options, time.monotonic() - began):
        print(left, file=sys.stderr, flush=True)
        if any(row.mode == "bundle" and not row.as_expected for row in latest):
            keep_histories(folder, options.seed)
        options.seed += 1
        latest, further = run_all(site, options, folder)
        rows = [row.and_more(other) for row, other in zip(rows, latest, strict=True)]
        hosts = sorted({*hosts, *further})
        yield rows, hosts


def _left(rows, options, passed):
    """Text: what was done in the `passed` seconds and what is left; "" if nothing is left."""
    done = min(overall_operations(rows).values())
    if options.operations:
        seconds = passed * (options.operations / max(done, 1) - 1)
    elif options.hours:
        # One round adds nothing up: there must be a second one.
        seconds = max(SECONDS_IN_AN_HOUR * options.hours - passed, rows[0].seeds < 2)
    else:
        return ""
    if seconds <= 0:
        return ""
    found = sum(row.anomalies for row in rows if row.mode == "bundle")
    return (
        f"{rows[0].seeds} rounds, {done:,} operations of each mode, {found:,} anomalies of the "
        f"bundle, {done / passed:.0f} operations/s; about {seconds / 60:,.0f} minutes left"
    )


def _run_cell(pool, site, workload, mode, options, schedule):
    """Run and check one workload in one mode; returns (history, Row)."""
    lab = (site.url, site.token)
    beside = site.proxy, pool.leaving, site.clock, site.url
    target = Target(site.apache, mode, options.processes, site.server, *beside)
    faults = None
    if schedule:
        names = schedule.take(mode, options.seconds_each)
        choice = random.Random(f"{options.seed} {mode} {workload}")
        faults = partial(disturb, target, names, options.seconds_each, choice)
    load = run_workload(pool, lab, mode, workload, options, faults)
    if options.url:
        final = from_outside(lab, mode, workload)
    else:
        final = from_inside(pool, lab, mode, workload, target, options.clients)
    if final.failed or schedule:
        # The next workload must start on new processes, when all that clients left here has ended.
        target.replace()
    history = load.history + final.history
    row = Row(
        workload=workload,
        mode=mode,
        result=_judged(workload, mode, history, final, disturbed=bool(schedule)),
        operations=len(history),
        acknowledged=sum(operation.ok for operation in history),
        seconds=load.seconds,
        expected=WORKLOADS[workload].seen.get(mode, ""),
        faults=load.faults,
        retries=sum(operation.runs - 1 for operation in history),
    )
    return history, row


def _judged(workload, mode, history, final, disturbed):
    """The Result of a history with its FinalReads; `disturbed`: by faults, which cause errors."""
    result = final.judged(WORKLOADS[workload].judged(history))
    if mode == "bundle" and not disturbed:
        # The other modes answer errors when they wait for locks, and are not judged by that.
        result = merged(result, unasked_errors.check(history))
    return result


def configuration(options, hosts, rows):
    """What was run, as a dict of text and numbers; `hosts`: the names of those that answered."""
    faults = {name: done for name, (done, _) in tally_of(rows).items()}
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


def main(arguments):
    """Run the experiment and print its table; returns the exit status."""
    options = parse_options(arguments)
    if options.mutants:
        return trial.main(options)
    if options.oracle:
        return oracle.main(options.oracle, options.seed)
    with lab_of(options) as lab:
        folder = new_run(ROOT / "var" / "coherency")
        for rows, hosts in rounds(lab, options, folder):
            ran = configuration(options, hosts, rows)
            write_results(folder, ran, rows)
        if lab.log:
            shutil.copyfile(lab.log, folder / "error.log")
    # The report comes first: standard output may be closed.
    write_report(folder, ran, rows)
    print("\n".join(summary(ran, rows)))
    print(f"The plots and the witnesses are in {folder}/report.html, the histories beside it")
    return outcome(rows).value


if __name__ == "__main__":
    run("scripts/coherency", main)
