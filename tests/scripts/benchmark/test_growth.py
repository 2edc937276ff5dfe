"""scripts/benchmark --growth: its axes, its table and plots, and a short run of each axis."""

import json
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from scripts.lib.benchmark.growth import AXES, Point, axis_values, table
from scripts.lib.benchmark.options import parse_options
from scripts.lib.benchmark.report import write_growth
from scripts.lib.command import ROOT
from tests.apache.server import hermetic_environment, pypi_module

DESCRIPTION = {"date": "2026-11-26 10:00:00 +0000", "database": "SQLite", "served by": "2 x 2"}
POINTS = [
    Point("rows", 100, "default", [900, 1000, 1200], pss=50_000_000, rss=30_000_000, errors=0),
    Point("rows", 1000, "default", [800, 800, 800], pss=60_000_000, rss=40_000_000, errors=2),
    Point("kept", 0, "bundle", [500, 600, 700], pss=70_000_000, rss=40_000_000, errors=0),
]


def test_an_axis_has_its_own_values_or_those_that_are_given():
    assert axis_values("rows") == ("rows", (100, 1000, 10_000, 100_000, 1_000_000))
    assert axis_values("writes=100,0,50,0") == ("writes", (0, 50, 100))


def test_all_axes_are_measured_unless_some_are_named():
    assert [name for name, _ in parse_options(["--growth"]).growth] == list(AXES)
    assert parse_options(["--growth", "kept=1", "rows=5"]).growth == [
        ("kept", (1,)),
        ("rows", (5,)),
    ]
    assert parse_options(["--growth"]).modes == ["default", "recipe", "bundle"]


def test_a_value_changes_one_option_or_the_share_of_writes():
    options = parse_options(["--growth"])
    changed, route = AXES["kept"].applied(options, 10)
    assert (changed.kept_rows, changed.rows, route.path) == (10, 10_000, "/any")
    assert (options.kept_rows, options.rows) == (10_000, 100)
    unchanged, route = AXES["writes"].applied(options, 75)
    assert vars(unchanged) == vars(options) and route.writes == 75


def test_the_table_has_the_median_its_range_and_the_memory():
    assert list(table(POINTS))[2:4] == [
        "| rows of the table | 100 | default | 1000 (900–1200) | 50 | 30 | 0 |",
        "| rows of the table | 1,000 | default | 800 (800–800) | 60 | 40 | 2 |",
    ]


def test_a_plot_for_each_axis_is_saved(tmp_path):
    write_growth(tmp_path, DESCRIPTION, POINTS)
    shown = {element.text for element in ElementTree.parse(tmp_path / "growth-rows.svg").iter()}
    assert {"100", "1,000", "rows of the table", "requests/s", "default"} <= shown
    assert (tmp_path / "growth-kept.svg").exists()
    assert len(json.loads((tmp_path / "results.json").read_text())["points"]) == 3


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "axis", ["processes=2", "connections=4", "rows=2500", "kept=0", "writes=50"]
)
def test_each_axis_is_measured_with_the_memory_of_its_daemons(axis, tmp_path):
    pypi_module()
    options = ["--rounds", "1", "--seconds", "1", "--processes", "1", "--modes", "bundle"]
    run = subprocess.run(
        [ROOT / "scripts" / "benchmark", "--growth", axis, *options],
        env=hermetic_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    kept = json.loads((ROOT / "var" / "benchmark" / "latest" / "results.json").read_text())
    [point] = kept["points"]
    assert f"{point['axis']}={point['value']}" == axis
    assert point["rates"][0] > 0 and point["errors"] == 0
    # No interpreter with web.py and SQLObject is smaller; its part of shared memory may be.
    processes = 2 if axis == "processes=2" else 1
    assert point["rss"] > 10_000_000 and point["pss"] > 5_000_000 * processes
    assert point["pss"] <= point["rss"] * processes
