"""scripts/coherency: every workload in every mode of the lab, checked, as one table.

The exit status is 0 if the bundle is valid everywhere and the other modes have shown the faults
that they must; 1 if the bundle is invalid; 2 if that is unknown, or the experiment cannot run.
"""

import argparse
import sqlite3
import sys
from concurrent.futures import ProcessPoolExecutor

from app.lab.modes import MODES
from scripts.lib.apache import ROOT, ServerError
from scripts.lib.coherency.drive import run_workload
from scripts.lib.coherency.report import (
    Row,
    outcome,
    table,
    write_history,
    write_results,
)
from scripts.lib.coherency.workloads import WORKLOADS
from scripts.lib.modwsgi import ModuleError
from scripts.lib.options import whole_number
from scripts.lib.own_site import own_site
from scripts.lib.runs import described, described_lines, new_run

BAR = 30


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    parser = argparse.ArgumentParser(
        prog="scripts/coherency",
        description="Drive the lab's modes on SQLite under an Apache of its own and check them.",
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
    parser.add_argument("--processes", type=whole_number(1, 64), default=4, help="of each mode")
    parser.add_argument("--threads", type=whole_number(1, 64), default=4)
    parser.add_argument("--seed", type=whole_number(0, 10**9), default=0)
    options = parser.parse_args(arguments)
    options.seconds_each = options.seconds / len(options.workloads)
    return options


def run_all(lab, options, folder):
    """Run and check every workload in every mode; returns the list of Rows."""
    rows = []
    cells = [(workload, mode) for workload in options.workloads for mode in options.modes]
    with ProcessPoolExecutor(options.clients) as pool:
        for number, (workload, mode) in enumerate(cells):
            _show_progress(number, len(cells), f"{workload}, {mode}")
            history = run_workload(pool, lab, mode, workload, options)
            write_history(folder, mode, workload, history)
            rows.append(_row(workload, mode, history, options.seconds_each))
    _show_progress(len(cells), len(cells), "done")
    return rows


def _row(workload, mode, history, seconds):
    return Row(
        workload=workload,
        mode=mode,
        result=WORKLOADS[workload].check(history),
        operations=len(history),
        acknowledged=sum(operation.ok for operation in history),
        seconds=seconds,
        expected=WORKLOADS[workload].seen.get(mode, ""),
    )


def _show_progress(done, all_cells, what):
    if sys.stderr.isatty():
        bar = "#" * (BAR * done // all_cells)
        end = "\n" if done == all_cells else ""
        print(f"\r[{bar:{BAR}}] {done}/{all_cells} {what:30}", end=end, file=sys.stderr)


def configuration(options):
    """What was run, as a dict of text and numbers."""
    packages = ("web.py", "SQLObject", "mod_wsgi", "networkx")
    further = {
        "database": f"SQLite {sqlite3.sqlite_version}",
        "seconds of load on each mode": options.seconds,
        "served by": f"{options.processes} processes x {options.threads} threads for each mode",
        "client processes": options.clients,
        "seed": options.seed,
    }
    return described("scripts/coherency", packages, **further)


def main():
    """Run the experiment and print its table; returns the exit status."""
    options = parse_options(sys.argv[1:])
    try:
        with own_site("sqlite", options.processes, options.threads, lab=True) as lab:
            folder = new_run(ROOT / "var" / "coherency")
            rows = run_all((lab.url, lab.token), options, folder)
            ran = configuration(options)
            write_results(folder, ran, rows, lab.log.read_text(errors="replace"))
    except (ModuleError, ServerError, OSError) as error:
        print(f"scripts/coherency: {error}", file=sys.stderr)
        return 2
    found = outcome(rows)
    print("\n".join([*described_lines(ran), "", *table(rows)]))
    print(f"\n{found.name.lower()}; the histories and the witnesses are in {folder}")
    return found.value


if __name__ == "__main__":
    sys.exit(main())
