"""scripts/benchmark from beginning to end, for a second each."""

import json
import subprocess

import pytest

from scripts.lib.benchmark.sites import MODES
from scripts.lib.command import ROOT
from tests.apache.server import hermetic_environment, pypi_module

OPTIONS = ["--rounds", "1", "--seconds", "1", "--routes", "empty", "mix"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_mode_is_measured_and_the_results_are_saved(tmp_path):
    pypi_module()
    run = subprocess.run(
        [ROOT / "scripts" / "benchmark", *OPTIONS],
        env=hermetic_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    folder = ROOT / "var" / "benchmark" / "latest"
    assert str(folder.resolve()) in run.stdout
    kept = json.loads((folder / "results.json").read_text())
    measured = [(row["route"], row["mode"]) for row in kept["rows"]]
    assert measured == [("empty", mode) for mode in MODES] + [("mix", mode) for mode in MODES[1:]]
    assert all(len(row["rates"]) == 1 and min(row["rates"]) > 0 for row in kept["rows"])
    assert kept["configuration"]["database"].startswith("SQLite 3.")
    assert (folder / "ratios.svg").exists()
    lines = (folder / "results.md").read_text().splitlines()
    assert all(line in lines for line in run.stdout.splitlines() if line.startswith("|"))


@pytest.mark.slow
def test_in_process_each_route_of_each_mode_has_its_microseconds(tmp_path):
    options = ["--in-process", "--rounds", "1", "--clock", "cpu", "--against", ROOT]
    options += ["--routes", "empty", "write", "--modes", "bare", "default", "bundle"]
    run = subprocess.run(
        [ROOT / "scripts" / "benchmark", *options],
        env=hermetic_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    rows = [line.split(" | ") for line in run.stdout.splitlines()[2:]]
    columns = ["default", "bundle", f"bundle of {ROOT}"]
    # The order is that in which they were first asked.
    assert sorted(row[:2] for row in rows) == sorted(
        [["| page without database", column] for column in ["bare", *columns]]
        + [["| read and write a row", column] for column in columns]
    )
    assert all(float(row[2]) > 0 for row in rows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--against", "."], "argument --against: it needs --in-process; add that"),
        (["--in-process", "--against", "/tmp"], "/tmp has no app/transactions; name a checkout"),
        (["--modes", "bare", "--routes", "row"], "the mode bare has only the route empty"),
    ],
)
def test_options_that_do_not_go_together_are_told_with_status_2(tmp_path, options, said):
    run = subprocess.run(
        [ROOT / "scripts" / "benchmark", *options],
        env=hermetic_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert (run.returncode, said in run.stderr) == (2, True), run.stderr
