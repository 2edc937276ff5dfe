"""The dashboard's panels, drawn from what Prometheus measured on a site under load.

Serves its own site on PostgreSQL with the metrics on, loads it by scripts/loadtest, has a
Prometheus read the numbers, and asks it for the numbers of the panels of
docs/monitoring/dashboard.json. It writes a PNG beside the SVG.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from itertools import cycle
from pathlib import Path

from scripts.lib.command import ROOT, CannotRun, command_parser, run, whole_number
from scripts.lib.results.plots import INK, MODE_COLOURS, save_plot
from scripts.lib.serving.own_site import daemon_user, make_folder, own_folder, own_site
from scripts.lib.serving.ports import free_port

BOARD = ROOT / "docs" / "monitoring" / "dashboard.json"
UNITS = {"reqps": "a second", "ops": "a second", "s": "seconds", "bytes": "MB"}
MEGABYTE = 1e6
COLUMNS, SIZE = 3, (12, 9)
COLOURS = list(MODE_COLOURS.values())[1:]
STEP = 1


@contextlib.contextmanager
def prometheus(folder, port):
    """Run Prometheus, which each second reads the site at `port`; yields Prometheus's address."""
    places = f"{ROOT}/.venv/prometheus/usr/bin:{os.environ['PATH']}"
    program = shutil.which("prometheus", path=places)
    if not program:
        raise CannotRun("Prometheus is not installed: run scripts/install --test")
    configuration = {
        "global": {"scrape_interval": f"{STEP}s"},
        "scrape_configs": [
            {"job_name": "site", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={folder}/prometheus.yml",
        f"--web.listen-address={address}",
    ]
    command.append(f"--storage.tsdb.path={folder}/tsdb")
    with open(folder / "log", "w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield f"http://{address}"
        finally:
            process.terminate()


def ask(address, query, start, end):
    """What `query` gives from `start` to `end`: a list of (labels, times, values)."""
    query = query.replace("$__rate_interval", "10s")
    asked = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": STEP})
    query_range = f"{address}/api/v1/query_range?{asked}"
    with urllib.request.urlopen(query_range, timeout=30) as answer:  # nosec B310
        found = json.load(answer)["data"]["result"]
    return [
        (
            series["metric"],
            [float(at) - start for at, _ in series["values"]],
            [float(value) for _, value in series["values"]],
        )
        for series in found
    ]


def draw(figure, address, start, end):
    """Draw the panels of the dashboard into a matplotlib `figure`."""
    panels = json.loads(BOARD.read_text())["panels"]
    grid = figure.subplots(-(-len(panels) // COLUMNS), COLUMNS)
    for panel, axes in zip(panels, grid.flat, strict=False):
        unit = panel["fieldConfig"]["defaults"]["unit"]
        scale = MEGABYTE if unit == "bytes" else 1
        lines = [
            (_legend(target, labels), times, [value / scale for value in values])
            for target in panel["targets"]
            for labels, times, values in ask(address, target["expr"], start, end)
        ]
        for colour, (legend, times, values) in zip(cycle(COLOURS), lines, strict=False):
            axes.plot(times, values, linewidth=1, color=colour, label=legend)
        axes.set_title(panel["title"], color=INK, fontsize=9)
        axes.set_ylabel(UNITS.get(unit, ""), fontsize=7)
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=7)
        if lines:
            axes.legend(fontsize=6)


def _legend(target, labels):
    text = target["legendFormat"]
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "python -m scripts.lib.benchmark.dashboard_plot",
        "Draw the panels of the dashboard, of a site under load.",
    )
    made.add_argument("file", type=Path, metavar="FILE.svg", help="the PNG is written beside it")
    made.add_argument("seconds", nargs="?", type=whole_number(1, 3600), default=60,
        metavar="SECONDS", help="of load (default 60)")  # fmt: skip
    return made


def main(arguments):
    """Draw into the file that the command line names; returns the exit status."""
    asked = parser().parse_args(arguments)
    with own_folder("dashboard-") as folder:
        metrics = str(make_folder(folder / "metrics", daemon_user()))
        with (
            own_site("postgres", 2, 5, SITE_METRICS=metrics) as site,
            prometheus(folder, site.url.rpartition(":")[2]) as at,
        ):
            start = time.time()
            command = [sys.executable, "-P", "-m", "scripts.lib.loadtest.load_test"]
            options = ["--url", site.url, "--seconds", str(asked.seconds), "--users", "20"]
            environment = os.environ | {"SITE_API_TOKEN": site.token}
            done = subprocess.run([*command, *options], env=environment, cwd=ROOT)
            time.sleep(2)
            end = time.time()
            save_plot(asked.file, *SIZE, lambda figure: draw(figure, at, start, end))
    return done.returncode


if __name__ == "__main__":
    run("scripts/lib/benchmark/dashboard_plot", main)
