"""scripts/benchmark --memory: whether a process stays as large as it is when it reads on and on.

A process reads rows of a table with more rows than its threads keep, without a server, in as many
threads as it has under Apache. Its caches are full after a quarter of the reads; from there to the
end it may not grow. Some of its requests may write; they count as reads.
"""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from scripts.lib.benchmark.process_size import MB
from scripts.lib.benchmark.sites import SITE, make_database, site_environment
from scripts.lib.command import ROOT, CannotRun
from scripts.lib.results.plots import INK, MODE_COLOURS
from scripts.lib.serving.own_site import database_server, hermetic_environment, own_folder

READER = Path(__file__).parent / "memory_reader.py"
MODES = ("default", "bundle")
OURS = ("uncached", "bundle")
# The share of its size that holes of the allocator may add.
ALLOWED = 0.05


@dataclasses.dataclass(frozen=True)
class Grown:
    """A mode's process: [{"reads", "rss", "pss"}], in bytes, from its first request on."""

    mode: str
    sizes: list

    def after(self, share):
        """The size of the process in bytes after `share` of the reads, 0 to 1."""
        wanted = self.sizes[-1]["reads"] * share
        return next(size["rss"] for size in self.sizes if size["reads"] >= wanted)

    @property
    def growth(self):
        """The share of its size by which the process has grown after a quarter of the reads."""
        return self.after(1) / self.after(1 / 4) - 1

    @property
    def flat(self):
        """Whether it has grown by no more than holes of the allocator may add."""
        return self.growth <= ALLOWED


def measure(options):
    """Have a process of each mode make `options.memory` reads; returns the list of Grown.

    Raises CannotRun.
    """
    return [Grown(mode, _sizes(mode, options)) for mode in options.modes]


def _sizes(mode, options):
    with own_folder("bench-") as folder, database_server(options.database, folder) as server:
        uri = server.database("site")
        make_database(uri, folder, options)
        if sys.stderr.isatty():
            print(f"\r{mode:10}", end="", file=sys.stderr)
        numbers = map(str, (options.memory, options.threads, options.writes))
        run = subprocess.run(
            [sys.executable, "-P", READER, mode, uri, *numbers],
            env=hermetic_environment(folder)
            | site_environment(options)
            | {"BENCHMARK_MODE": mode, "PYTHONPATH": f"{SITE}:{ROOT}"},
            stdout=subprocess.PIPE,
            text=True,
        )
    if run.returncode:
        raise CannotRun(f"the process of {mode} has failed: see above")
    return json.loads(run.stdout)


def table(found):
    """The table's lines, in Markdown, of a list of Grown."""
    yield "| mode | reads | MB at first | MB after a quarter | MB at the end | grown | flat |"
    yield "|---|---|---|---|---|---|---|"
    for one in found:
        sizes = " | ".join(f"{one.after(share) / MB:.1f}" for share in (0, 1 / 4, 1))
        flat = "yes" if one.flat else "NO"
        reads = one.sizes[-1]["reads"]
        yield f"| {one.mode} | {reads:,} | {sizes} | {one.growth * 100:.1f} % | {flat} |"
    if not all(one.flat for one in found):
        yield ""
        yield (
            f"NO: grown by more than {ALLOWED:.0%} after a quarter of the reads. Either something "
            "is never freed, or these reads are too few to fill the caches: try more."
        )


def draw_memory(figure, found, title):
    """Draw the size of each mode's process over the reads that it has made."""
    axes = figure.add_subplot()
    for one in found:
        reads = [size["reads"] for size in one.sizes]
        megabytes = [size["rss"] / MB for size in one.sizes]
        colour = MODE_COLOURS[one.mode]
        axes.plot(reads, megabytes, "o-", color=colour, markersize=4, label=one.mode)
    axes.set_ylim(0, axes.dataLim.ymax * 1.08)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("reads")
    axes.set_ylabel("MB of the process (RSS)")
    axes.grid(axis="y", color=INK, alpha=0.15, linewidth=0.6)
    figure.suptitle(f"Size of a process\n{title}", color=INK, fontsize=11)
    figure.legend(loc="outside lower center", ncols=len(found))
