"""scripts/benchmark --contention: what counts as valid, and a short run on each engine."""

import subprocess

import pytest

from scripts.lib.benchmark.contention import Answer, Contention, table
from scripts.lib.command import ROOT, CannotRun
from tests.apache.server import hermetic_environment, pypi_module

DONE = [Answer(200, 0.001, 1), Answer(200, 0.002, 3)]


@pytest.mark.parametrize(
    ("answers", "written", "valid"),
    [
        (DONE, 2, True),
        (DONE, 1, False),
        ([*DONE, Answer(503, 1)], 2, False),
        # The outcome of a write without an answer is not known.
        ([*DONE, Answer(0, 1)], 3, False),
        ([], 0, False),
    ],
)
def test_valid_means_that_all_were_acknowledged_and_none_is_missing(answers, written, valid):
    assert Contention(16, 1, answers, written).is_valid() is valid


def test_the_table_tells_of_retries_and_the_longest_wait():
    [row] = list(table([Contention(16, 2, [*DONE, Answer(503, 5)], 1)]))[2:]
    assert row == "| 16 | 1 | 1 | 1 | 1000.0 | 3 | 2.0 | 4900.0 | 5000 |"


def test_without_an_answer_there_is_no_result():
    with pytest.raises(CannotRun, match="16 clients"):
        list(table([Contention(16, 1, [], 0)]))


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_all_clients_get_through_on_each_engine(engine, request, tmp_path):
    """For a second; scripts/benchmark runs it for 60."""
    if engine != "sqlite":
        request.getfixturevalue(f"{engine}_server")
    pypi_module()
    command = [ROOT / "scripts" / "benchmark", "--contention", "--database", engine]
    run = subprocess.run(
        [*command, "--seconds", "1"],
        env=hermetic_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert [line.split("|")[1:5:2] for line in run.stdout.splitlines()[2:]] == [
        [" 16 ", " 0 "],
        [" 64 ", " 0 "],
    ]
