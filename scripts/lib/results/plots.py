"""Plots as SVG files that can be read on a light and on a dark page."""

import re

import matplotlib
from matplotlib.figure import Figure

# Colours of text and lines, and of what is behind them: on a light page, and on a dark one.
INK, INK_AT_NIGHT = "#1f2328", "#e6edf3"
PAPER, PAPER_AT_NIGHT = "#ffffff", "#0d1117"
# People who see no red or green can tell these apart; they show on white and on black.
MODE_COLOURS = {
    "bare": "#7f7f7f",
    "default": "#a08060",
    "nocache": "#d1720a",
    "recipe": "#c0569b",
    "uncached": "#3a8fc4",
    "bundle": "#009e73",
    "raw": "#a89000",
    "flask": "#d64545",
    "django": "#8d6fd1",
}
# Of the PNG, and of those parts of the SVG that would be too large as lines.
DPI = 150

STYLE = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": PAPER,
    "font.family": "sans-serif",
    "legend.frameon": False,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def save_plot(path, width, height, draw):
    """Write a plot as the SVG file `path` and, for viewers without SVG, beside it as PNG.

    width, height: in inches. draw: takes the matplotlib Figure and draws into it, with INK for
    text and lines and, for data, colours that are seen on PAPER and on PAPER_AT_NIGHT.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        figure.savefig(path, dpi=DPI, metadata={"Date": None})
        figure.savefig(path.with_suffix(".png"), dpi=DPI)
    path.write_text(_with_night(path.read_text()))


def _with_night(svg):
    """The SVG with a rule for dark pages, where its ink and its paper change."""
    rules = "".join(
        f'[style*="{what}: {day}"]{{{what}:{night} !important}}'
        for what in ("fill", "stroke")
        for day, night in ((INK, INK_AT_NIGHT), (PAPER, PAPER_AT_NIGHT))
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda found: found[1] + style, svg, count=1)
