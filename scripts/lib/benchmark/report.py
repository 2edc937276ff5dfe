"""What a benchmark prints and leaves behind: its tables, the same as JSON, and the plots."""

import dataclasses
import statistics
from functools import partial

from scripts.lib.benchmark import growth, memory, open_loop
from scripts.lib.benchmark.growth_plot import draw_growth
from scripts.lib.benchmark.load import ROUTES
from scripts.lib.benchmark.plot import draw_ratios
from scripts.lib.benchmark.tail_plot import draw_tails
from scripts.lib.results.plots import save_plot
from scripts.lib.results.runs import described_lines, write_json

BASE = "default"
# The modes to which the table has ratios, if they were measured.
BASES = (BASE, "recipe", "raw")


@dataclasses.dataclass(frozen=True)
class Row:
    """A route in a mode: medians over the rounds, and the errors of all of them.

    rates: requests per second of each round. ratios: {mode: this one's requests per second as
    ratio to that mode's, of each round}, for the modes that were measured on the route.
    retries: of 1,000 acknowledged writes, over all rounds; None if the site tells none.
    """

    route: str
    mode: str
    rate: float
    p50: float
    p99: float
    errors: int
    rates: list
    ratios: dict
    retries: float | None = None

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
            retries=_retries(loads),
        )
        for route, modes in results.items()
        for mode, loads in modes.items()
        if loads
    ]


def _retries(loads):
    written = sum(load.written for load in loads)
    return 1000 * sum(load.retried for load in loads) / written if written else None


def table(found):
    """The table's lines, in Markdown, of a list of Rows: the ratios with their range.

    The range of five rounds holds the true median with a probability of 94 %, the range of six
    rounds with 97 %, whatever the distribution.
    """
    bases = [base for base in BASES if any(base in row.ratios for row in found)]
    ratios = "".join(f" to {base} (range) |" for base in bases)
    last = "closed-loop p50 ms | p99 ms | errors | retries of 1,000 writes |"
    yield f"| route | mode | requests/s |{ratios} {last}"
    yield "|---" * (7 + len(bases)) + "|"
    for row in found:
        told = "".join(f" {ratio_told(row.ratios.get(base))} |" for base in bases)
        retries = "" if row.retries is None else f"{row.retries:.1f}"
        yield (
            f"| {ROUTES[row.route].title} | {row.mode} | {row.rate:.0f} |{told} {row.p50:.1f} "
            f"| {row.p99:.1f} | {row.errors} | {retries} |"
        )


def ratio_told(ratios):
    """The median of the rounds' ratios with their range, if any, as text; empty for None."""
    if ratios is None:
        return ""
    least, most = min(ratios), max(ratios)
    told = f" ({least:.2f}–{most:.2f})" if least < most else ""
    return f"{statistics.median(ratios):.2f}{told}"


def write_results(folder, description, found, tails):
    """Write the Rows and the Tails: tables, JSON, the plot of the ratios and those of the tails.

    Without a ratio to the base there is no plot of the ratios.
    """
    lines = list(table(found)) + ["", *open_loop.table(tails)] * bool(tails)
    where = _where(description)
    plots = {}
    plotted = [row for row in found if BASE in row.ratios]
    if any(row.mode != BASE for row in plotted):
        plots["ratios"] = (10, 5, partial(draw_ratios, rows=plotted, base=BASE, title=where))
    for route in dict.fromkeys(tail.route for tail in tails):
        of_route = [tail for tail in tails if tail.route == route]
        title = f"{ROUTES[route].title.capitalize()}, at fixed rates\n{where}"
        plots[f"tail-{route}"] = (9, 7, partial(draw_tails, tails=of_route, title=title))
    figures = {"rows": [dataclasses.asdict(row) for row in found]}
    figures |= {"open loop": open_loop.figures(tails)} if tails else {}
    _write(folder, description, lines, plots, figures)


def write_growth(folder, description, points):
    """Write the Points: the table, JSON, and a plot for each axis."""
    where = _where(description)
    plots = {}
    for axis in dict.fromkeys(point.axis for point in points):
        of_axis = [point for point in points if point.axis == axis]
        plots[f"growth-{axis}"] = (9, 4.5, partial(draw_growth, points=of_axis, title=where))
    figures = {"points": [dataclasses.asdict(point) for point in points]}
    _write(folder, description, list(growth.table(points)), plots, figures)


def write_memory(folder, description, found):
    """Write the list of Grown: the table, JSON and the plot."""
    plot = partial(memory.draw_memory, found=found, title=_where(description))
    figures = {"processes": [dataclasses.asdict(one) for one in found]}
    _write(folder, description, list(memory.table(found)), {"memory": (8, 4.5, plot)}, figures)


def _where(description):
    return f"{description['database']}, {description['served by']}, {description['date'][:10]}"


def _write(folder, description, lines, plots, figures):
    """Print the lines of a table, and save them with the plots and figures in `folder`.

    plots: {name: (width, height, a function that draws into a Figure)}.
    """
    told = ["# Benchmark", "", *described_lines(description), "", *lines]
    for name, (width, height, draw) in plots.items():
        save_plot(folder / f"{name}.svg", width, height, draw)
        told += ["", f"![{name}]({name}.svg)"]
    (folder / "results.md").write_text("\n".join(told) + "\n")
    write_json(folder / "results.json", {"configuration": description, **figures})
    print("\n".join([*described_lines(description), "", *lines]))
    print(f"\nThe table, the figures of each round and the plots are in {folder}")
