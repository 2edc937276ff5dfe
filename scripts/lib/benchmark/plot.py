"""The plot of a benchmark: for each route and mode the requests per second as ratio to a base."""

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from scripts.lib.benchmark.load import ROUTES
from scripts.lib.results.plots import INK, MODE_COLOURS

TICKS = [2.0**power for power in range(-6, 7)]
# The width of a group of bars, as a share of the distance between two routes.
GROUP = 0.84


def draw_ratios(figure, rows, base, title):
    """Draw the ratios of benchmark Rows to the mode `base`, a group of bars for each route.

    The scale is logarithmic: half as fast is as far below the line as twice as fast is above.
    A thin line is the range over the rounds.
    """
    axes = figure.add_subplot()
    routes = list(dict.fromkeys(row.route for row in rows))
    modes = [
        mode for mode in MODE_COLOURS if any(row.mode == mode for row in rows) and mode != base
    ]
    axes.set_yscale("log")
    for place, mode in enumerate(modes):
        _draw_mode(axes, [row for row in rows if row.mode == mode], routes, base, place, modes)
    axes.axhline(1, color=MODE_COLOURS[base], linewidth=1.5)
    axes.set_xticks(range(len(routes)), [_broken(ROUTES[route].title) for route in routes])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(routes) - 0.5)
    axes.yaxis.set_major_locator(FixedLocator(TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(y=0.12)
    axes.set_ylabel(f"requests/s, as ratio to {base}")
    figure.suptitle(f"Requests per second: {base} = 1\n{title}", color=INK, fontsize=11)
    figure.legend(loc="outside lower center", ncols=max(1, len(modes)))


def _draw_mode(axes, rows, routes, base, place, modes):
    """Draw the bars of one mode, the `place`-th of `modes`, with their values at the ends."""
    width = GROUP / len(modes)
    for row in rows:
        ratio = row.ratio(base)
        x = routes.index(row.route) - GROUP / 2 + (place + 0.5) * width
        label = row.mode if row is rows[0] else None
        axes.bar(x, ratio - 1, width * 0.94, bottom=1, color=MODE_COLOURS[row.mode], label=label)
        ends = [min(row.ratios[base]), max(row.ratios[base])]
        axes.vlines(x, *ends, color=INK, linewidth=0.8)
        up = ratio >= 1
        axes.annotate(
            f"{ratio:.2f}", (x, max(ends) if up else min(ends)), (0, 3 if up else -3),
            textcoords="offset points", ha="center", va="bottom" if up else "top", fontsize=7,
        )  # fmt: skip


def _broken(title):
    """The title in two lines of about the same length."""
    words = title.split()
    lengths = [abs(len(" ".join(words[:n])) - len(" ".join(words[n:]))) for n in range(len(words))]
    n = lengths.index(min(lengths))
    return " ".join(words[:n]) + "\n" + " ".join(words[n:])
