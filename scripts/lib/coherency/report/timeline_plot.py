"""The plot of a mode: latency, its quantiles and the rate of its workloads, over time."""

from scripts.lib.coherency.report.samples import QUANTILES, bins, thinned
from scripts.lib.results.plots import INK

# Outcome of an operation: what it is called, colour, marker and its size, line.
OUTCOMES = {
    "ok": ("acknowledged", "#3a8fc4", ".", 5, "-"),
    "fail": ("failed", "#d1720a", "x", 12, "--"),
    "info": ("unknown", "#c0569b", "+", 12, ":"),
}
QUANTILE_LINES = (("#3a8fc4", "-"), ("#d1720a", "--"), ("#c0569b", ":"))
FAULT_COLOUR = "#8c8c8c"
# In inches.
WIDTH, HEIGHT = 10, 6.5
HEIGHT_OF_FAULTS = 1.2


def size(cells):
    """The figure's width and height in inches."""
    return WIDTH, HEIGHT + (HEIGHT_OF_FAULTS if _has_faults(cells) else 0)


def draw_timeline(figure, mode, cells):
    """Draw the Cells of a mode, which have operations, in the order of their place."""
    ratios = [2.4, 1.6, 1.6]
    if _has_faults(cells):
        ratios = [1.3, *ratios]
    panels = figure.subplots(len(ratios), sharex=True, height_ratios=ratios)
    latency, quantile, rate = panels[-3:]
    _draw_latencies(latency, cells)
    binned = list(bins(cells))
    _draw_quantiles(quantile, binned)
    _draw_rates(rate, binned)
    _draw_cells(panels, cells)
    if _has_faults(cells):
        _name_faults(panels[0], cells)
    for axes, label in ((latency, "latency, ms"), (quantile, "latency, ms"), (rate, "requests/s")):
        axes.set_ylabel(label)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8, markerscale=1.5)
    rate.set_xlabel("seconds of this mode, its workloads one after the other")
    rate.set_xlim(cells[0].begin, cells[-1].end)
    figure.suptitle(mode, color=INK, fontsize=11)


def _has_faults(cells):
    return any(cell.faults for cell in cells)


def _draw_latencies(axes, cells):
    axes.set_yscale("log")
    for type, (name, colour, marker, area, _) in OUTCOMES.items():
        times = [time for cell in cells for time in cell.times[type]]
        latencies = [latency for cell in cells for latency in cell.latencies[type]]
        if type == "ok":
            times, latencies = thinned(times), thinned(latencies)
        if times:
            axes.scatter(
                times, latencies, s=area, marker=marker, color=colour, linewidths=0.8,
                alpha=0.5 if type == "ok" else 1, rasterized=True, label=name,
            )  # fmt: skip


def _draw_quantiles(axes, binned):
    axes.set_yscale("log")
    for number, (share, (colour, line)) in enumerate(zip(QUANTILES, QUANTILE_LINES, strict=True)):
        label = f"p{share * 100:g}"
        for found in binned:
            known = [one for one in found if one.quantiles]
            values = [one.quantiles[number] for one in known]
            axes.plot([one.middle for one in known], values, line, color=colour, label=label)
            label = None


def _draw_rates(axes, binned):
    for type, (name, colour, _, _, line) in OUTCOMES.items():
        label = name
        for found in binned:
            rates = [one.rates[type] for one in found]
            if not any(rates):
                continue
            axes.plot([one.middle for one in found], rates, line, color=colour, label=label)
            label = None
    axes.set_ylim(bottom=0)


def _draw_cells(panels, cells):
    """Draw the faults behind all panels, and where the workloads begin, named on top."""
    for cell in cells:
        for axes in panels:
            axes.axvline(cell.begin, color=INK, linewidth=0.5, alpha=0.4)
            for _, begin, end in cell.faults:
                axes.axvspan(begin, end, color=FAULT_COLOUR, alpha=0.25, linewidth=0, zorder=0)
        # Slanted, because some names are longer than a workload's share of the width.
        panels[0].annotate(
            cell.workload, (cell.begin, 1), (4, 3), va="bottom", ha="left", rotation=35,
            rotation_mode="anchor", xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=7,
        )  # fmt: skip


def _name_faults(axes, cells):
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_ylabel("faults")
    for cell in cells:
        for name, begin, end in cell.faults:
            axes.text(
                (begin + end) / 2, 0.04, name, rotation=90, ha="center", va="bottom", fontsize=6,
                clip_on=True, in_layout=False,
            )  # fmt: skip
