"""The summary plot: anomalies by workload and mode, and the requests per second beside them."""

import math

from matplotlib.patches import Rectangle

from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.report.results import overall_rate
from scripts.lib.results.plots import INK, MODE_COLOURS

FOUND = "#d1720a"
AGAINST_THE_PROMISE = "#d62728"
MARKERS = {"default": "o", "nocache": "s", "recipe": "^", "bundle": "D"}


def draw_summary(figure, rows, title):
    """Draw Rows: what was found, as a table with colours, and how many requests/s there were."""
    workloads = list(dict.fromkeys(row.workload for row in rows))
    modes = [mode for mode in MODE_COLOURS if any(row.mode == mode for row in rows)]
    found, rates = figure.subplots(1, 2, sharey=True, width_ratios=[1.5, 1])
    most = max((row.anomalies for row in rows), default=0)
    for row in rows:
        place = (modes.index(row.mode), workloads.index(row.workload))
        _draw_found(found, row, place, most)
    found.set_xlim(-0.5, len(modes) - 0.5)
    found.set_ylim(len(workloads) - 0.5, -0.5)
    found.set_xticks(range(len(modes)), modes)
    found.set_yticks(range(len(workloads)), workloads)
    found.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    found.spines[:].set_visible(False)
    found.set_title("anomalies", fontsize=10, color=INK)
    _draw_rates(rates, rows, workloads, modes)
    figure.legend(loc="outside lower right", ncols=4, fontsize=9, title="requests/s in all")
    figure.suptitle(title, color=INK, fontsize=11)


def _draw_found(axes, row, place, most):
    """Draw a row's number of anomalies, darker for more; `place`: its column and line."""
    corner = (place[0] - 0.47, place[1] - 0.45)
    told = f"{row.anomalies:,}"
    if row.anomalies:
        shade = 0.1 + 0.4 * math.log1p(row.anomalies) / math.log1p(most)
        axes.add_patch(Rectangle(corner, 0.94, 0.9, color=FOUND, alpha=shade, linewidth=0))
    elif row.result.outcome is Outcome.UNKNOWN:
        told = "unknown"
    if not row.as_expected:
        told += " (!)"
        edge = {"fill": False, "edgecolor": AGAINST_THE_PROMISE, "linewidth": 2}
        axes.add_patch(Rectangle(corner, 0.94, 0.9, **edge))
    axes.text(*place, told, ha="center", va="center", fontsize=9)


def _draw_rates(axes, rows, workloads, modes):
    for mode in modes:
        of_mode = [row for row in rows if row.mode == mode]
        lines = [workloads.index(row.workload) for row in of_mode]
        axes.plot(
            [row.rate for row in of_mode], lines, MARKERS[mode], color=MODE_COLOURS[mode],
            markersize=6, label=f"{mode}: {overall_rate(of_mode):.0f}", clip_on=False,
        )  # fmt: skip
    axes.set_xlim(left=0)
    axes.grid(axis="y", color=INK, alpha=0.15, linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title("requests/s", fontsize=10, color=INK)
