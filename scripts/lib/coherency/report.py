"""What an experiment leaves behind: the table, the witnesses told, and the run directory."""

import collections
import dataclasses
import json

from scripts.lib.coherency.history import to_line
from scripts.lib.coherency.result import Outcome, Result
from scripts.lib.runs import described_lines, write_json


@dataclasses.dataclass(frozen=True)
class Row:
    """The result of one workload in one mode.

    expected: the anomaly that must be seen, or "". faults: the Faults during its load.
    """

    workload: str
    mode: str
    result: Result
    operations: int
    acknowledged: int
    seconds: float
    expected: str
    faults: tuple = ()

    @property
    def as_expected(self):
        """Whether the bundle is valid, or another mode shows what it must."""
        if self.mode == "bundle":
            return self.result.outcome is Outcome.VALID
        return not self.expected or self.expected in self.result.counts


def outcome(rows):
    """The experiment's Outcome.

    Invalid if the bundle has an anomaly; unknown if a check of the bundle is, or if another mode
    did not show an anomaly that it must: then the checkers have proven nothing.
    """
    if any(row.mode == "bundle" and row.result.outcome is Outcome.INVALID for row in rows):
        return Outcome.INVALID
    return Outcome.VALID if all(row.as_expected for row in rows) else Outcome.UNKNOWN


def table(rows):
    """The table's lines, in Markdown."""
    yield "| workload | mode | operations | acknowledged | requests/s | anomalies | expected |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        found = ", ".join(f"{count} {name}" for name, count in row.result.counts.items())
        if row.result.outcome is Outcome.UNKNOWN:
            found = f"unknown: {row.result.reason}"
        expected = "none" if row.mode == "bundle" else row.expected or "any"
        missed = "" if row.as_expected else " (!)"
        yield (
            f"| {row.workload} | {row.mode} | {row.operations} | {row.acknowledged} "
            f"| {row.operations / row.seconds:.0f} | {found or 'none'} | {expected}{missed} |"
        )
    yield from faults_table(rows)


def transcript(witness):
    """The lines that tell a witness: times in ms from its beginning, then why it is one."""
    begin = witness.operations[0].t0
    for number, operation in enumerate(witness.operations, 1):
        times = f"{(operation.t0 - begin) / 1e6:.1f} to {(operation.t1 - begin) / 1e6:.1f} ms"
        who = f"client {operation.client}, process {operation.pid or 'unknown'}"
        steps = ", ".join(map(_told, operation.value))
        yield f"T{number}  {times}, {who}, {operation.type}: {steps}"
    yield witness.reason


def _told(step):
    if step[0] == "read":
        seen = "no answer" if step[2] is None else json.dumps(step[2])
        return f"read {step[1]}: {seen}"
    return " ".join(json.dumps(part) if isinstance(part, tuple) else str(part) for part in step)


def witnesses(rows):
    """The lines that tell the smallest witness of each anomaly in each row, in Markdown."""
    for row in rows:
        for anomaly, witness in row.result.witnesses.items():
            yield f"\n### {anomaly}: {row.workload}, {row.mode}\n"
            yield "```"
            yield from transcript(witness)
            yield "```"


def write_history(folder, mode, workload, history):
    """Write a history, in the order of its beginnings, to its file in the run's directory."""
    ordered = sorted(history, key=lambda operation: operation.t0)
    lines = "".join(f"{to_line(operation)}\n" for operation in ordered)
    (folder / "history").mkdir(exist_ok=True)
    (folder / "history" / f"{mode}-{workload}.jsonl").write_text(lines)


def write_results(folder, configuration, rows, log):
    """Write the table with the witnesses, the same as JSON, the configuration and the log.

    `log`: the site's error log as text, or None where it is not ours to read.
    """
    told = ["# Coherency", "", *described_lines(configuration), "", *table(rows)]
    told += ["", "## The smallest witness of each anomaly", *witnesses(rows), ""]
    (folder / "results.md").write_text("\n".join(told))
    results = [
        {
            "workload": row.workload,
            "mode": row.mode,
            "outcome": row.result.outcome.name.lower(),
            "reason": row.result.reason,
            "anomalies": row.result.counts,
            "operations": row.operations,
            "acknowledged": row.acknowledged,
            "seconds": row.seconds,
            "expected": row.expected,
            "faults": [dataclasses.asdict(fault) for fault in row.faults],
        }
        for row in rows
    ]
    write_json(folder / "results.json", results)
    write_json(folder / "configuration.json", configuration)
    if log is not None:
        (folder / "error.log").write_text(log)


def faults_table(rows):
    """The lines of a table of how often each fault was done to each mode; none without faults."""
    counts = collections.Counter((fault.name, row.mode) for row in rows for fault in row.faults)
    if counts:
        modes = list(dict.fromkeys(row.mode for row in rows))
        yield ""
        yield "| fault | " + " | ".join(modes) + " |"
        yield "|---" * (1 + len(modes)) + "|"
        for name in sorted({name for name, _ in counts}):
            yield f"| {name} | " + " | ".join(str(counts[name, mode]) for mode in modes) + " |"
