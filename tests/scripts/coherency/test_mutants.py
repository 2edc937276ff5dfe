"""The bundle broken on purpose: each line exists, and a workload notices."""

from dataclasses import replace

import pytest

from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.load.faults import faults_on
from scripts.lib.coherency.mutants.broken import MUTANTS
from scripts.lib.coherency.mutants.trial import (
    Trial,
    broken,
    copy_of_site,
    drive,
    line,
    try_all,
)
from scripts.lib.coherency.workloads import WORKLOADS
from scripts.lib.command import ROOT
from scripts.lib.serving.databases import SERVERS
from tests.apache.server import pypi_module

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
SHORT = (
    "the look at the token always says yes",
    "a run keeps the headers of the one before",
    "a savepoint undoes nothing",
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_breaks_exactly_one_place(mutant):
    assert (ROOT / mutant.file).read_text().count(mutant.line) == 1
    assert mutant.workload in WORKLOADS
    assert mutant.database in ("sqlite", *SERVERS)
    assert set(mutant.faults) <= faults_on(mutant.database)


def test_there_are_at_least_twenty_mutants_with_different_names():
    assert len(BY_NAME) == len(MUTANTS) >= 20


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mutants_are_caught_and_the_bundle_itself_is_valid():
    pypi_module()
    trials = list(try_all([replace(BY_NAME[name], seconds=3) for name in SHORT], seed=0))
    assert [trial.mutant.name for trial in trials if not trial.caught] == []
    assert len(trials) == len(SHORT)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(300)
def test_a_mutant_that_only_a_fault_shows_is_caught_under_it(postgres_server):
    pypi_module()
    mutant = BY_NAME["a COMMIT that was not answered is reported as rolled back"]
    with copy_of_site() as copy, broken(copy, mutant):
        outcome, found = drive(copy, "postgres", ["counter"], 3, 0, mutant.faults)
    assert (outcome, list(found)) == (Outcome.INVALID, ["invented update"])


def test_a_mutant_that_survives_is_marked():
    survivor = Trial(MUTANTS[0], Outcome.VALID, {})
    caught = Trial(MUTANTS[1], Outcome.INVALID, {"stale read": 7})
    assert line(survivor.cells).endswith("| nothing (valid) (!) |")
    assert line(caught.cells).endswith("| 7 stale read |")


def test_the_page_of_the_experiment_has_a_row_for_each_mutant():
    cells = [row.split(" | ") for row in (ROOT / "docs/coherency.md").read_text().splitlines()]
    rows = {row[0].removeprefix("| "): row[1:4] for row in cells if len(row) == 6}
    for mutant in MUTANTS:
        file = mutant.file.removeprefix("app/transactions/")
        told = ", ".join((mutant.workload, *mutant.faults))
        assert rows.get(mutant.name) == [f"`{file}`", mutant.database, told]
