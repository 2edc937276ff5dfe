"""The plots of a run, written into its folder: summary, staleness, and each mode over time."""

import dataclasses
from functools import partial
from itertools import chain

from scripts.lib.coherency.report import staleness_plot, summary_plot, timeline_plot
from scripts.lib.coherency.report.results import overall_rate, read_history
from scripts.lib.coherency.report.samples import cell, quantiles, staleness
from scripts.lib.results.plots import save_plot


@dataclasses.dataclass(frozen=True)
class Plot:
    """A plot's SVG file in the run's folder, a caption, and what it shows in words."""

    name: str
    caption: str
    alternative: str


def write_plots(folder, rows, title):
    """Write the plots of the Rows, whose histories are in the folder; returns the Plots.

    title: of the summary. One history at a time is in memory.
    """
    by_mode = {}
    for row in rows:
        if row.operations:
            by_mode.setdefault(row.mode, []).append(row)
    plots = [_summary(folder, rows, title)]
    stale = {}
    timelines = []
    for mode, its_rows in by_mode.items():
        cells = []
        for row in its_rows:
            history = read_history(folder, mode, row.workload)
            begin = cells[-1].end if cells else 0
            cells.append(cell(row.workload, history, row.faults, begin))
            if row.workload == "register":
                stale[mode] = staleness(history)
        timelines.append(_timeline(folder, mode, cells))
    if any(stale.values()):
        plots.append(_staleness(folder, stale))
    return plots + timelines


def _summary(folder, rows, title):
    draw = partial(summary_plot.draw_summary, rows=rows, title=title)
    height = 1.8 + 0.32 * len({row.workload for row in rows})
    save_plot(folder / "summary.svg", 10, height, draw)
    modes = dict.fromkeys(row.mode for row in rows)
    of = {mode: [row for row in rows if row.mode == mode] for mode in modes}
    told = "; ".join(
        f"{mode}: {sum(row.anomalies for row in its):,} anomalies, "
        f"{overall_rate(its):.0f} requests/s"
        for mode, its in of.items()
    )
    caption = "Anomalies by workload and mode, and the requests per second of each."
    return Plot("summary.svg", caption, told)


def _staleness(folder, stale):
    draw = partial(staleness_plot.draw_staleness, by_mode=stale)
    save_plot(folder / "staleness.svg", 10, 3.6, draw)
    ages = {mode: list(chain(*found.values())) for mode, found in stale.items()}
    told = "; ".join(
        f"{mode}: {sum(age > 0 for age in found):,} of {len(found):,} reads stale, "
        f"the most by {max(found):,.0f} ms"
        for mode, found in ages.items()
        if found
    )
    caption = (
        "How stale the reads of the workload register were, by process: for how long a newer "
        "value than the one shown had been acknowledged when the read began."
    )
    return Plot("staleness.svg", caption, told)


def _timeline(folder, mode, cells):
    name = f"time-{mode}.svg"
    draw = partial(timeline_plot.draw_timeline, mode=mode, cells=cells)
    save_plot(folder / name, *timeline_plot.size(cells), draw)
    counts = {type: sum(len(one.times[type]) for one in cells) for type in timeline_plot.OUTCOMES}
    found = quantiles(list(chain(*(one.latencies["ok"] for one in cells))))
    times = f", half within {found[0]:.1f} ms, 99 % within {found[2]:.1f} ms" if found else ""
    told = (
        f"{mode}: {counts['ok']:,} operations acknowledged{times}; "
        f"{counts['fail']:,} failed, {counts['info']:,} have an unknown outcome"
    )
    caption = (
        f"{mode}: the latency of each operation by outcome, quantiles of the latency of the "
        "acknowledged, and the rate of requests by outcome. Grey bands are faults. In the "
        "workload crash every other request asks for an error."
    )
    return Plot(name, caption, told)
