"""scripts/benchmark --memory: a process that reads ever more rows stays as large as it is."""

import json
import subprocess

import pytest

from scripts.lib.benchmark.memory import Grown, table
from scripts.lib.command import ROOT
from tests.apache.server import hermetic_environment


def grown(*sizes):
    return Grown("bundle", [{"reads": n * 10, "rss": size} for n, size in enumerate(sizes)])


def test_what_grows_after_a_quarter_of_the_reads_is_not_flat():
    assert grown(10, 100, 102, 101, 104).flat
    assert not grown(10, 100, 102, 101, 106).flat
    assert grown(10, 100, 90, 90, 80).flat


def test_the_table_names_the_possible_causes_of_growth():
    lines = list(table([grown(10_000_000, 50_000_000, 52_000_000, 54_000_000, 60_000_000)]))
    assert lines[2] == "| bundle | 40 | 10.0 | 50.0 | 60.0 | 20.0 % | NO |"
    assert "is never freed" in lines[-1]
    assert len(list(table([grown(1, 1, 1, 1, 1)]))) == 3


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("reads", "options", "status"),
    [
        (40_000, ["--rows", "4000", "--kept-rows", "1000"], 0),
        (20_000, ["--rows", "4000", "--kept-rows", "1000", "--writes", "5"], 0),
        # The number of kept rows grows until the last read.
        (40_000, ["--rows", "50000", "--kept-rows", "40000", "--threads", "1"], 1),
    ],
    ids=["of more rows than it keeps", "that writes too", "that still fills its cache"],
)
def test_the_size_of_a_process_is_flat_once_its_cache_is_full(reads, options, status, tmp_path):
    run = subprocess.run(
        [ROOT / "scripts" / "benchmark", "--memory", str(reads), "--modes", "bundle", *options],
        env=hermetic_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert run.returncode == status, run.stdout + run.stderr
    folder = ROOT / "var" / "benchmark" / "latest"
    [process] = json.loads((folder / "results.json").read_text())["processes"]
    assert process["sizes"][-1]["reads"] == reads
    assert (folder / "memory.svg").exists()
