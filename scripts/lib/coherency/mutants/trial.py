"""scripts/coherency --mutants: whether the workloads notice the bundle broken, in a copy of it.

The exit status is 0 if the bundle itself is valid and every mutant is caught; 1 if one survives;
2 if the bundle itself is not valid, or the trial cannot run.
"""

import collections
import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass

from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.mutants.broken import MUTANTS
from scripts.lib.command import ROOT, CannotRun
from scripts.lib.results.progress import Progress
from scripts.lib.results.runs import described, described_lines, new_run, write_json
from scripts.lib.serving.own_site import own_folder

COPIED = ("app", "apache", "scripts", "wsgi")
LEFT_OUT = shutil.ignore_patterns("__pycache__")
PROCESSES = THREADS = 2
# Seconds that Apache's start and end take beside the load, for the progress bar.
SECONDS_BESIDE = 8
COLUMNS = ("what is broken", "in", "database", "workload, faults", "seconds", "found")


@dataclass(frozen=True)
class Trial:
    """What became of a Mutant; `found`: {anomaly: number}, `outcome`: an Outcome."""

    mutant: object
    outcome: Outcome
    found: dict

    @property
    def caught(self):
        """Whether an anomaly was found."""
        return self.outcome is Outcome.INVALID

    @property
    def cells(self):
        """The text of each of the COLUMNS."""
        counts = sorted(self.found.items(), key=lambda pair: -pair[1])[:2]
        told = ", ".join(f"{count:,} {name}" for name, count in counts)
        mutant = self.mutant
        return (
            mutant.name,
            f"`{mutant.file.removeprefix('app/transactions/')}`",
            mutant.database,
            ", ".join([mutant.workload, *mutant.faults]),
            str(mutant.seconds),
            told if self.caught else f"nothing ({self.outcome.name.lower()}) (!)",
        )


@contextlib.contextmanager
def copy_of_site():
    """Copy this checkout's site into a new folder and yield its path; it links the environment."""
    with own_folder("mutant-") as folder:
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT, symlinks=True)
        (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
        yield folder


@contextlib.contextmanager
def broken(copy, mutant):
    """Break the mutant's line in the copy for the block; raises CannotRun without that line."""
    file = copy / mutant.file
    text = file.read_text()
    if text.count(mutant.line) != 1:
        raise CannotRun(
            f"{mutant.file} has {mutant.line!r} {text.count(mutant.line)} times, not once"
        )
    file.write_text(text.replace(mutant.line, mutant.broken))
    try:
        yield
    finally:
        file.write_text(text)


def drive(copy, database, workloads, seconds, seed, faults=()):
    """Drive the copy's bundle by the workloads; returns (Outcome, {anomaly: number}).

    faults: the names of those during the load. Raises CannotRun where that is not possible.
    """
    command = [
        sys.executable, "-P", "-m", "scripts.lib.coherency.mutants.drive", "--modes", "bundle",
        "--database", database, "--seconds", str(seconds), "--seed", str(seed),
        "--processes", str(PROCESSES), "--threads", str(THREADS), "--workloads", *workloads,
    ]  # fmt: skip
    if faults:
        command += ["--faults", *faults]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    if run.returncode:
        raise CannotRun(f"the copy cannot be driven: {run.stderr.strip()}")
    rows = json.loads(run.stdout)
    outcomes = {Outcome[outcome] for outcome, _ in rows}
    found = collections.Counter()
    for _, counts in rows:
        found.update(counts)
    for outcome in (Outcome.INVALID, Outcome.UNKNOWN):
        if outcome in outcomes:
            return outcome, dict(found)
    return Outcome.VALID, {}


def try_all(mutants, seed):
    """Try the mutants and yield their Trials; raises CannotRun where the bundle is not valid."""
    groups = {}
    for mutant in mutants:
        groups.setdefault((mutant.database, mutant.faults), []).append(mutant)
    with (
        copy_of_site() as copy,
        Progress(len(mutants) + len(groups), SECONDS_BESIDE) as progress,
    ):
        for (database, faults), own in groups.items():
            progress.next(f"the bundle itself, {database}")
            workloads = sorted({mutant.workload for mutant in own})
            seconds = sum(max(m.seconds for m in own if m.workload == w) for w in workloads)
            outcome, found = drive(copy, database, workloads, seconds, seed, faults)
            if outcome is not Outcome.VALID:
                raise CannotRun(f"the bundle is {outcome.name.lower()} on {database}: {found}")
            for mutant in own:
                progress.next(mutant.name)
                with broken(copy, mutant):
                    yield _trial(copy, mutant, seed)


def _trial(copy, mutant, seed):
    try:
        outcome, found = drive(
            copy, mutant.database, [mutant.workload], mutant.seconds, seed, mutant.faults
        )
    except CannotRun as error:
        print(f"{mutant.name}: {error}", file=sys.stderr)
        outcome, found = Outcome.UNKNOWN, {}
    return Trial(mutant, outcome, found)


def header():
    """The first lines of the table, in Markdown."""
    return [line(COLUMNS), "|---" * len(COLUMNS) + "|"]


def line(cells):
    """A line of the table, in Markdown."""
    return f"| {' | '.join(cells)} |"


def main(options):
    """Try the mutants of the database of the options, or all, and print the table as it comes.

    Returns the exit status.
    """
    mutants = [one for one in MUTANTS if options.database in (one.database, None)]
    ran = described("scripts/coherency", ("web.py", "SQLObject", "mod_wsgi"), seed=options.seed)
    told = [*described_lines(ran), "", *header()]
    print("\n".join(told))
    trials = []
    for trial in try_all(mutants, options.seed):
        trials.append(trial)
        print(line(trial.cells), flush=True)
    survived = sum(not trial.caught for trial in trials)
    summary = f"{len(trials) - survived} of {len(trials)} mutants were caught"
    print(f"\n{summary}")
    folder = new_run(ROOT / "var" / "mutants")
    told = ["# Mutants", "", *told, *(line(trial.cells) for trial in trials), "", summary, ""]
    (folder / "results.md").write_text("\n".join(told))
    write_json(folder / "results.json", [_figures(trial) for trial in trials])
    return 1 if survived else 0


def _figures(trial):
    figures = {"outcome": trial.outcome.name.lower(), "anomalies": trial.found}
    return asdict(trial.mutant) | figures
