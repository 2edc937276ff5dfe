"""The plot of an axis of growth: requests per second, and the memory of the daemons."""

from scripts.lib.benchmark.growth import AXES, loaded
from scripts.lib.benchmark.process_size import MB
from scripts.lib.results.plots import INK, MODE_COLOURS


def draw_growth(figure, points, title):
    """Draw the Points of one axis, a line for each mode, the values at even distances.

    The thin lines are the range over the rounds.
    """
    name = points[0].axis
    values = list(dict.fromkeys(point.value for point in points))
    modes = [mode for mode in MODE_COLOURS if any(point.mode == mode for point in points)]
    rates, memory = figure.subplots(1, 2)
    for mode in modes:
        of_mode = [point for point in points if point.mode == mode]
        places = [values.index(point.value) for point in of_mode]
        style = {"color": MODE_COLOURS[mode], "linewidth": 1.5, "marker": "o", "markersize": 5}
        rates.plot(places, [point.rate for point in of_mode], label=mode, **style)
        memory.plot(places, [point.pss / MB for point in of_mode], **style)
        ends = [[extreme(point.rates) for point in of_mode] for extreme in (min, max)]
        rates.vlines(places, *ends, color=MODE_COLOURS[mode], linewidth=0.8)
    for axes, heading in ((rates, "requests/s"), (memory, "MB of all processes (PSS)")):
        axes.set_xticks(range(len(values)), [f"{value:,}" for value in values])
        axes.set_xlabel(AXES[name].title)
        axes.set_title(heading, color=INK, fontsize=10)
        axes.set_ylim(0, axes.dataLim.ymax * 1.08)
        axes.grid(axis="y", color=INK, alpha=0.15, linewidth=0.6)
    figure.suptitle(f"{loaded(name).capitalize()}\n{title}", color=INK, fontsize=11)
    figure.legend(loc="outside lower center", ncols=len(modes))
