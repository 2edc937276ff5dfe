"""The plot of how stale the reads of registers were, by process and mode."""

from scripts.lib.coherency.report.samples import shares_at_least, thinned
from scripts.lib.results.plots import INK

COLOURS = ("#3a8fc4", "#d1720a", "#c0569b", "#009e73", "#a08060", "#7f7f7f")
LINES = ("-", "--", ":", "-.")
# More names than these would hide the lines.
MOST_NAMED = 6
MOST_STEPS = 500
LEAST_MS = 0.1


def draw_staleness(figure, by_mode):
    """Draw {mode: {(host, process): ms by which each of its reads is stale}}."""
    panels = figure.subplots(1, len(by_mode), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (mode, processes) in zip(panels, by_mode.items(), strict=True):
        _draw_mode(axes, processes)
        ages = [age for found in processes.values() for age in found]
        stale = sum(age > 0 for age in ages)
        axes.set_title(f"{mode}\n{stale:,} of {len(ages):,} reads stale", fontsize=9, color=INK)
    panels[0].set_xscale("log")
    panels[0].set_ylim(0, 105)
    panels[0].set_ylabel("% of a process's reads")
    figure.supxlabel("stale by at least, in ms", color=INK, fontsize=10)


def _draw_mode(axes, processes):
    for number, ((host, process), found) in enumerate(processes.items()):
        ages, shares = shares_at_least(found)
        # The line comes from the left edge and ends on the ground.
        x = [min(LEAST_MS, *ages), *thinned(ages, MOST_STEPS), ages[-1]] if ages else []
        y = [shares[0], *thinned(shares, MOST_STEPS), 0] if ages else []
        axes.plot(
            x, y, LINES[number % len(LINES)], color=COLOURS[number % len(COLOURS)],
            drawstyle="steps-pre", label=f"{process or host}: {shares[0] if shares else 0:.0f} %",
        )  # fmt: skip
    if len(processes) <= MOST_NAMED:
        axes.legend(loc="upper right", fontsize=7, title="process", title_fontsize=7)
