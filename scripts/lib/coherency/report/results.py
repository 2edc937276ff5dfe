"""What an experiment leaves behind: rows, verdict, table, and the files of the run directory."""

import collections
import dataclasses

from scripts.lib.coherency import elle
from scripts.lib.coherency.checkers.result import Outcome, Result, added
from scripts.lib.coherency.history import from_lines, to_line
from scripts.lib.coherency.report.tally import faults_table, sums, unmet
from scripts.lib.results.runs import described_lines, write_json

# How many kinds of anomalies a mode's verdict names.
NAMED = 4
COLUMNS = (
    "workload",
    "mode",
    "operations",
    "acknowledged",
    "retries",
    "requests/s",
    "anomalies",
    "expected",
)


@dataclasses.dataclass(frozen=True)
class Row:
    """The result of one workload in one mode.

    expected: the anomaly that must be seen, or "". faults: the Faults during its load. retries:
    the runs of a handler after its first in the acknowledged requests. seeds: how many loads it
    sums up, each with another seed. The Faults are those of the last load, `earlier` is the
    tally() of the loads before.
    """

    workload: str
    mode: str
    result: Result
    operations: int
    acknowledged: int
    seconds: float
    expected: str
    faults: tuple = ()
    retries: int = 0
    seeds: int = 1
    earlier: dict = dataclasses.field(default_factory=dict)

    @property
    def tally(self):
        """{name of a fault: (how often it was done, and what it met then)}, of all loads."""
        return sums(self.earlier, [(fault.name, 1, fault.count) for fault in self.faults])

    @property
    def as_expected(self):
        """Whether the bundle is valid, or another mode shows what it must."""
        if self.mode == "bundle":
            return self.result.outcome is Outcome.VALID
        return not self.expected or self.expected in self.result.counts

    @property
    def anomalies(self):
        """How many there were, of all kinds."""
        return sum(self.result.counts.values())

    @property
    def rate(self):
        """Operations per second of load."""
        return self.operations / self.seconds

    @property
    def bound(self):
        """n if less than one of n requests has an anomaly, at 95 %; 0 where nothing is known.

        If none of m had one, the rate is below 3/m (the rule of three).
        """
        return self.acknowledged // 3 if self.result.outcome is Outcome.VALID else 0

    def and_more(self, other):
        """The Row of this load and another one of the same workload and mode."""
        return dataclasses.replace(
            self,
            result=added(self.result, other.result),
            operations=self.operations + other.operations,
            acknowledged=self.acknowledged + other.acknowledged,
            seconds=self.seconds + other.seconds,
            faults=other.faults,
            earlier=sums(self.tally, [(name, *both) for name, both in other.earlier.items()]),
            retries=self.retries + other.retries,
            seeds=self.seeds + other.seeds,
        )

    @property
    def cells(self):
        """The text of each of the COLUMNS; what is not as it must be ends with (!)."""
        found = ", ".join(f"{count:,} {name}" for name, count in self.result.counts.items())
        if self.result.outcome is Outcome.UNKNOWN:
            found = f"unknown: {self.result.reason}"
        expected = "none" if self.mode == "bundle" else self.expected or "any"
        return (
            self.workload,
            self.mode,
            f"{self.operations:,}",
            f"{self.acknowledged:,}",
            f"{self.retries:,}",
            f"{self.rate:.0f}",
            found or "none",
            expected if self.as_expected else f"{expected} (!)",
        )


def outcome(rows):
    """The experiment's Outcome.

    Invalid if the bundle has an anomaly; unknown if a check of the bundle is, if another mode
    did not show an anomaly that it must, or if a fault met nothing of the bundle: then nothing
    is proven.
    """
    if any(row.mode == "bundle" and row.result.outcome is Outcome.INVALID for row in rows):
        return Outcome.INVALID
    proven = all(row.as_expected for row in rows) and not unmet(rows)
    return Outcome.VALID if proven else Outcome.UNKNOWN


def verdict(rows):
    """The experiment's outcome in a sentence."""
    found = outcome(rows)
    bundle = [row for row in rows if row.mode == "bundle"]
    wrong = [f"{row.workload} in {row.mode}" for row in rows if not row.as_expected]
    if found is Outcome.VALID:
        checked = f"{sum(row.operations for row in bundle):,} operations" if bundle else "no run"
        shown = sum(bool(row.expected) for row in rows)
        return (
            f"Valid: no anomaly in {checked} of the bundle; the other modes showed all {shown} "
            "anomalies that they must."
        )
    if found is Outcome.INVALID:
        count = sum(row.anomalies for row in bundle)
        where = ", ".join(row.workload for row in bundle if row.anomalies)
        return f"Invalid: the bundle has anomalies in {where}, {count:,} in all."
    wrong += [f"anything that {name} meets" for name in unmet(rows)]
    return f"Unknown: not seen, but must be: {', '.join(wrong)}."


def overall_rate(rows):
    """Operations per second of load in all the rows."""
    return sum(row.operations for row in rows) / sum(row.seconds for row in rows)


def overall_operations(rows):
    """{mode: the operations of all its rows}."""
    counts = collections.Counter()
    for row in rows:
        counts[row.mode] += row.operations
    return counts


def table(rows):
    """The table's lines, in Markdown."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    for row in rows:
        yield f"| {' | '.join(row.cells)} |"
    yield from faults_table(rows)


def verdicts(rows):
    """{mode: its verdict in words}."""
    by_mode = {}
    for row in rows:
        by_mode.setdefault(row.mode, []).append(row)
    return {mode: _verdict_of(of_mode) for mode, of_mode in by_mode.items()}


def _verdict_of(rows):
    wrong = [row for row in rows if row.anomalies]
    unknown = [row.workload for row in rows if row.result.outcome is Outcome.UNKNOWN]
    told = []
    if wrong:
        counts = collections.Counter()
        for row in wrong:
            counts.update(row.result.counts)
        most = ", ".join(f"{count:,} {name}" for name, count in counts.most_common(NAMED))
        more = len(counts) - NAMED
        told.append(
            f"anomalies in {len(wrong)} of {len(rows)} workloads: {most}"
            + (f", and {more} other kinds" if more > 0 else "")
        )
    if len(wrong) + len(unknown) < len(rows):
        fine = [row for row in rows if row.result.outcome is Outcome.VALID]
        total = sum(row.acknowledged for row in fine)
        told.append(
            f"no anomaly in {total:,} acknowledged requests of {len(fine)} workloads: at 95 % "
            f"less than one of {total // 3:,} has one"
        )
    if unknown:
        told.append(f"unknown in {', '.join(unknown)}")
    return "; ".join(told)


def statistics_table(rows):
    """The lines of a table of how much the bundle's loads tell; none without the bundle."""
    rows = [row for row in rows if row.mode == "bundle"]
    if rows:
        yield ""
        yield "| workload, bundle | acknowledged | seeds | an anomaly in less than one of (95 %) |"
        yield "|---" * 4 + "|"
        for row in rows:
            bound = f"{row.bound:,}" if row.bound else "unknown"
            yield f"| {row.workload} | {row.acknowledged:,} | {row.seeds} | {bound} |"


def summary(configuration, rows):
    """The lines that are printed and saved: what was run, the tables and the verdicts."""
    told = [f"- {mode}: {told}" for mode, told in verdicts(rows).items()]
    tables = [*table(rows), *statistics_table(rows)]
    return [*described_lines(configuration), "", *tables, "", *told, "", verdict(rows)]


def write_history(folder, mode, workload, history):
    """Write a history, ordered by the operations' beginnings, to its file in the run's directory.

    Where one of Elle's models has all of its steps, it is also written for Elle (elle.py).
    """
    ordered = sorted(history, key=lambda operation: operation.t0)
    lines = "".join(f"{to_line(operation)}\n" for operation in ordered)
    (folder / "history").mkdir(exist_ok=True)
    file = _history_file(folder, mode, workload)
    file.write_text(lines)
    if model := elle.model_of(ordered):
        for_elle = "".join(f"{line}\n" for line in elle.events(ordered))
        file.with_suffix(f".{model}.edn").write_text(for_elle)


def keep_histories(folder, seed):
    """Rename the histories in the run's directory: the next round must not overwrite them."""
    (folder / "history").rename(folder / f"history-seed-{seed}")


def read_history(folder, mode, workload):
    """Return the history that write_history has written."""
    with _history_file(folder, mode, workload).open() as lines:
        return from_lines(lines)


def _history_file(folder, mode, workload):
    return folder / "history" / f"{mode}-{workload}.jsonl"


def write_results(folder, configuration, rows):
    """Write what is printed, the rows as JSON, and the configuration."""
    told = "\n".join(["# Coherency", "", *summary(configuration, rows)])
    (folder / "results.md").write_text(f"{told}\n")
    write_json(folder / "results.json", [_figures(row) for row in rows])
    write_json(folder / "configuration.json", configuration)


def _figures(row):
    return {
        "workload": row.workload,
        "mode": row.mode,
        "outcome": row.result.outcome.name.lower(),
        "reason": row.result.reason,
        "anomalies": row.result.counts,
        "operations": row.operations,
        "acknowledged": row.acknowledged,
        "retries": row.retries,
        "seeds": row.seeds,
        "seconds": row.seconds,
        "expected": row.expected,
        "faults": [dataclasses.asdict(fault) for fault in row.faults],
        "faults of all loads": {name: list(both) for name, both in row.tally.items()},
    }
