"""The plot of an open loop: the times of a route's requests, over the rate at which they come."""

from matplotlib.ticker import FuncFormatter

from scripts.lib.results.plots import INK, MODE_COLOURS

PANELS = {"p50": "median", "p99": "p99", "p999": "p99.9", "worst": "worst"}


def draw_tails(figure, tails, title):
    """Draw the Tails of one route: a panel for each percentile, a line for each mode."""
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    modes = [mode for mode in MODE_COLOURS if any(tail.mode == mode for tail in tails)]
    for axes, (name, heading) in zip(panels.flat, PANELS.items(), strict=True):
        for mode in modes:
            _draw_mode(axes, [tail for tail in tails if tail.mode == mode], name)
        axes.set_yscale("log")
        axes.set_xlim(left=0)
        axes.set_title(heading, color=INK, fontsize=10)
        axes.grid(axis="y", color=INK, alpha=0.15, linewidth=0.6)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for axes in panels[:, 0]:
        axes.set_ylabel("ms from when it was due")
    for axes in panels[1]:
        axes.set_xlabel("requests/s")
    if not all(tail.on_schedule for tail in tails):
        title += "\nhollow: the client could not keep its schedule"
    figure.suptitle(title, color=INK, fontsize=11)
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=min(5, len(modes)),
    )


def _draw_mode(axes, tails, name):
    tails = sorted(tails, key=lambda tail: tail.asked)
    rates = [tail.asked for tail in tails]
    values = [tail.worst if name == "worst" else tail.median(name) for tail in tails]
    colour = MODE_COLOURS[tails[0].mode]
    axes.plot(rates, values, color=colour, linewidth=1.5, label=tails[0].mode)
    for rate, value, tail in zip(rates, values, tails, strict=True):
        fill = colour if tail.on_schedule else "none"
        axes.plot([rate], [value], "o", color=colour, markerfacecolor=fill, markersize=5)
