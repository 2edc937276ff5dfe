"""What a load test leaves behind: the table, the wrong answers, and the verdict."""

import json

from scripts.lib.results.runs import described_lines, write_json

WRONG_TOLD = 5


def verdict(totals):
    """The exit status: 0 if every answer was right, 1 if one failed or was wrong.

    1, too, if nothing was asked, or users were left behind that should have been deleted.
    """
    total = totals["total"]
    bad = total["failed"] or total["wrong"] or totals["exceptions"] or totals["left"]
    return int(bool(bad or not total["requests"]))


def table(totals):
    """The table's lines, in Markdown: a row for each kind of request and one for all."""
    yield "| request | requests | requests/s | p50 ms | p95 ms | p99 ms | failed | wrong |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in [*totals["kinds"], totals["total"] | {"kind": "all"}]:
        times = " | ".join(f"{ms:.0f}" for ms in row["ms"])
        yield (
            f"| {row['kind']} | {row['requests']} | {row['per_second']:.1f} | {times} "
            f"| {row['failed']} | {row['wrong']} |"
        )


def causes(totals):
    """Lines that say how often which request was answered wrongly or failed, and why."""
    for error in sorted(totals["errors"], key=lambda error: -error["count"]):
        yield f"{error['count']} x {error['error']}"
    for exception in totals["exceptions"]:
        yield f"{exception['count']} x the load test itself failed:\n{exception['traceback']}"
    if totals["left"]:
        yield f"{totals['left']} x a user was still there at the end; it has been deleted"


def gather_wrong(folder):
    """Put the processes' examples of wrong answers into one file, the earliest first.

    Returns them; none, and no file, if all answers were right.
    """
    files = sorted(folder.glob("wrong-*.jsonl"))
    examples = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    examples.sort(key=lambda example: example["ended"])
    for file in files:
        file.unlink()
    if examples:
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in examples)
        (folder / "wrong-answers.jsonl").write_text(lines)
    return examples


def write_results(folder, description, totals):
    """Write the table with what was run, and the same as JSON, into the run's folder."""
    told = ["# Load test", "", *described_lines(description), "", *table(totals), ""]
    told += [f"- {cause}" for cause in causes(totals)]
    (folder / "results.md").write_text("\n".join(told).rstrip() + "\n")
    write_json(folder / "results.json", {"configuration": description, **totals})
