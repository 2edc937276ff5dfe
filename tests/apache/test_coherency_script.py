"""scripts/coherency from beginning to end, on two workloads for a few seconds."""

import json
import subprocess

import pytest

from scripts.lib.apache import ROOT
from scripts.lib.coherency.history import from_lines
from scripts.lib.coherency.result import Outcome
from scripts.lib.coherency.workloads import WORKLOADS
from tests.apache.server import pypi_module

pytestmark = pytest.mark.timeout(300)
COMMAND = ["scripts/coherency", "--seconds", "6", "--modes", "recipe", "bundle"]
COMMAND += ["--workloads", "counter", "crash"]


def test_the_recipe_shows_its_faults_and_the_bundle_none():
    pypi_module()
    run = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "| counter | bundle |" in run.stdout
    folder = ROOT / "var" / "coherency" / "latest"
    assert str(folder.resolve()) in run.stdout
    results = json.loads((folder / "results.json").read_text())
    found = {(result["workload"], result["mode"]): result["anomalies"] for result in results}
    assert "lost update" in found["counter", "recipe"]
    assert "G1a" in found["crash", "recipe"]
    assert found["counter", "bundle"] == found["crash", "bundle"] == {}
    assert "### G1a: crash, recipe" in (folder / "results.md").read_text()
    for result in results:
        name = f"{result['mode']}-{result['workload']}.jsonl"
        history = from_lines((folder / "history" / name).read_text().splitlines())
        assert len(history) == result["operations"]
        checked = WORKLOADS[result["workload"]].check(history)
        assert checked.outcome is Outcome[result["outcome"].upper()]
