"""scripts/benchmark --reload: what counts as valid, and a short run."""

import subprocess
import sys

import pytest

from scripts.lib.benchmark.reloads import Answer, Reloads
from scripts.lib.command import ROOT
from tests.apache.server import hermetic_environment, pypi_module

GOOD = [Answer(1, 200, "0", 0.1), Answer(3, 200, "1", 0.1)]


@pytest.mark.parametrize(
    ("answers", "ends", "valid"),
    [
        (GOOD, [(0, 2)], True),
        ([*GOOD, Answer(3, 503, "", 0.1)], [(0, 2)], False),
        ([*GOOD, Answer(3, 0, "", 0.1)], [(0, 2)], False),
        ([*GOOD, Answer(3, 200, "0", 0.1)], [(0, 2)], False),
        (GOOD, [(1, 2)], False),
        ([], [(0, 2)], False),
    ],
)
def test_valid_means_that_nothing_is_lost_and_only_new_code_answers_after_a_reload(
    answers, ends, valid
):
    assert Reloads(answers, ends).is_valid() is valid


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_three_reloads_under_load_lose_no_request(tmp_path):
    """For some seconds; scripts/benchmark runs it for 60."""
    pypi_module()
    command = [sys.executable, "-P", "-m", "scripts.lib.benchmark.compare", "--reload"]
    run = subprocess.run(
        [*command, "--seconds", "8", "--connections", "12", "--processes", "2"],
        env=hermetic_environment(tmp_path) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert [word.strip() for word in run.stdout.splitlines()[2].split("|")][3:5] == ["0", "0"]
