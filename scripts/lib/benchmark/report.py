"""What a benchmark leaves behind: the table, the same as JSON, and the plot."""

import dataclasses
import statistics

from scripts.lib.benchmark.load import ROUTES
from scripts.lib.benchmark.plot import draw_ratios
from scripts.lib.results.plots import save_plot
from scripts.lib.results.runs import described_lines, write_json

BASE = "default"


@dataclasses.dataclass(frozen=True)
class Row:
    """A route in a mode: medians over the rounds, and the errors of all of them.

    rates: requests per second of each round. ratios: {mode: this one's requests per second as
    ratio to that mode's, of each round}, for the modes that were measured on the route.
    """

    route: str
    mode: str
    rate: float
    p50: float
    p99: float
    errors: int
    rates: list
    ratios: dict

    def ratio(self, other):
        """The median ratio to the mode `other`; None if that was not measured."""
        return statistics.median(self.ratios[other]) if other in self.ratios else None


def rows(results):
    """The Rows of {route: {mode: [a Load for each round]}}."""
    return [
        Row(
            route=route,
            mode=mode,
            rate=statistics.median(load.rate for load in loads),
            p50=statistics.median(load.p50 for load in loads),
            p99=statistics.median(load.p99 for load in loads),
            errors=sum(load.errors for load in loads),
            rates=[load.rate for load in loads],
            ratios={
                other: [mine.rate / its.rate for mine, its in zip(loads, others, strict=True)]
                for other, others in modes.items()
                if others and all(its.rate for its in others)
            },
        )
        for route, modes in results.items()
        for mode, loads in modes.items()
        if loads
    ]


def table(found):
    """The table's lines, in Markdown, of a list of Rows."""
    yield "| route | mode | requests/s | to default | to recipe | p50 ms | p99 ms | errors |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in found:
        ratios = [row.ratio(other) for other in (BASE, "recipe")]
        told = ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        yield (
            f"| {ROUTES[row.route].title} | {row.mode} | {row.rate:.0f} | {told[0]} | {told[1]} "
            f"| {row.p50:.1f} | {row.p99:.1f} | {row.errors} |"
        )


def write_results(folder, description, found):
    """Write the table, the figures as JSON and, where it has a base, the plot of the ratios."""
    told = ["# Benchmark", "", *described_lines(description), "", *table(found)]
    plotted = [row for row in found if BASE in row.ratios]
    if any(row.mode != BASE for row in plotted):
        told += ["", "![requests/s as ratio to default](ratios.svg)"]
        title = (
            f"{description['database']}, {description['served by']}, {description['date'][:10]}"
        )
        save_plot(
            folder / "ratios.svg", 10, 5, lambda figure: draw_ratios(figure, plotted, BASE, title)
        )
    (folder / "results.md").write_text("\n".join(told) + "\n")
    figures = [dataclasses.asdict(row) for row in found]
    write_json(folder / "results.json", {"configuration": description, "rows": figures})
