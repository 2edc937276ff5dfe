"""Which faults come when, and how the final reads change a result."""

import json
import os
import random
import sqlite3

import pytest

from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.history import Fault, from_lines, to_line
from scripts.lib.coherency.load import faults
from scripts.lib.coherency.load.faults import (
    FAULTS,
    NEED_A_SERVER,
    Schedule,
    disturb,
    faults_on,
)
from scripts.lib.coherency.load.final_reads import FinalReads, in_sql
from scripts.lib.coherency.load.target import Target
from scripts.lib.coherency.options import parse_options
from scripts.lib.coherency.report.results import Row, outcome, table, verdict
from scripts.lib.coherency.workloads import WORKLOADS, first_key
from scripts.lib.command import CannotRun
from scripts.lib.serving.databases import SQLite
from tests.scripts.coherency.histories import op

SET, COUNTER, REGISTER = (first_key(name) for name in ("set", "counter", "register"))
COUNTED = [op(0, 1, ("add", COUNTER, 1))]
WRITTEN = [op(0, 1, ("write", REGISTER, 1))]
ADDED = [op(0, 1, ("append", SET, 5)), op(2, 3, ("append", SET, 6))]
VALID = WORKLOADS["set"].check([*ADDED, op(4, 5, ("read", SET, (5, 6)))])
INVALID = WORKLOADS["set"].check([*ADDED, op(4, 5, ("read", SET, (5,)))])
REFUSED = op(6, 7, ("read", SET, None), type="fail")


def test_the_faults_of_a_database_server_need_one():
    on_files = {"kill -9", "SIGSTOP", "rolling reload", "graceful", "clients leave", "clock jump"}
    assert faults_on("sqlite") == on_files
    for engine in ("postgres", "mariadb"):
        assert faults_on(engine) == faults_on("sqlite") | NEED_A_SERVER


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.parametrize("loads", [1, 2, 3, 11])
@pytest.mark.parametrize("seconds", [0.1, 5.4, 60])
def test_every_fault_hits_every_mode_however_short_its_loads_are(engine, loads, seconds):
    schedule = Schedule(faults_on(engine), loads, 1)
    met = {"default": [], "bundle": []}
    for _ in range(loads):
        for mode, names in met.items():
            taken = schedule.take(mode, seconds)
            assert taken
            names += taken
    for names in met.values():
        assert set(names) == faults_on(engine)
        counts = [names.count(name) for name in faults_on(engine)]
        assert max(counts) - min(counts) <= 1


def test_the_seed_gives_the_order():
    orders = [Schedule(faults_on("postgres"), 1, seed).take("bundle", 1) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_a_longer_load_has_more_faults():
    schedule = Schedule(faults_on("sqlite"), 11, 0)
    assert len(schedule.take("bundle", 60)) > len(schedule.take("bundle", 6))


def test_all_faults_are_done_or_those_named():
    assert parse_options([]).faults is None
    assert set(parse_options(["--faults"]).faults) == faults_on("sqlite")
    assert set(parse_options(["--faults", "--database", "mariadb"]).faults) == set(FAULTS)
    assert parse_options(["--faults", "SIGSTOP", "kill -9"]).faults == ["SIGSTOP", "kill -9"]


def test_a_sum_counts_what_faults_met_in_all_loads_and_has_the_last_ones_faults():
    one, two = Fault("queries stop", 1, 2, 3), Fault("queries stop", 3, 4, 5)
    row = Row("set", "bundle", VALID, 3, 3, 1, "", (one,))
    sums = row.and_more(Row("set", "bundle", VALID, 3, 3, 1, "", (two,))).and_more(row)
    assert sums.tally == {"queries stop": (3, 11)}
    assert sums.faults == (one,)


def test_a_fault_that_has_met_nothing_of_the_bundle_proves_nothing():
    def rows(*counts):
        faults = tuple(Fault("queries stop", 1, 2, count) for count in counts)
        return [
            Row("set", "bundle", VALID, 3, 3, 1, "", faults),
            Row("set", "default", VALID, 3, 3, 1, "", (Fault("queries stop", 1, 2, 7),)),
        ]

    assert outcome(rows(0, 1)) is Outcome.VALID
    assert outcome(rows(0, 0)) is Outcome.UNKNOWN
    assert verdict(rows(0, 0)) == (
        "Unknown: not seen, but must be: anything that queries stop meets."
    )
    assert "| queries stop | 2, met 0 | 1, met 7 |" in list(table(rows(0, 0)))


def test_a_fault_that_cannot_be_done_is_named(monkeypatch):
    monkeypatch.setattr(faults, "PAUSE", 0)
    nobody = Target(os.getpid(), "bundle", 4, None)
    with pytest.raises(CannotRun, match="kill -9 cannot be done to bundle.*no process titled"):
        disturb(nobody, ["kill -9"], 0, random.Random(0))


def test_a_running_site_is_not_disturbed(monkeypatch, capsys):
    monkeypatch.setenv("SITE_API_TOKEN", "token of the site")
    with pytest.raises(SystemExit) as stopped:
        parse_options(["--faults", "--url", "http://127.0.0.1:1"])
    assert stopped.value.code == 2
    assert "argument --faults: only a site that it serves itself" in capsys.readouterr().err


def test_a_mode_that_goes_on_failing_does_not_recover():
    result = FinalReads([], failed=REFUSED).judged(VALID)
    assert (result.outcome, result.counts) == (Outcome.INVALID, {"does not recover": 1})
    assert result.witness.operations == (REFUSED,)
    result = FinalReads([], failed=REFUSED).judged(INVALID)
    assert result.counts == {"lost write": 1, "does not recover": 1}


def test_if_a_process_has_not_answered_nothing_is_valid():
    missing = FinalReads([], missing="the processes [7] have not answered")
    result = missing.judged(VALID)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, missing.missing)
    assert missing.judged(INVALID) == INVALID
    assert FinalReads([]).judged(VALID) == VALID


@pytest.fixture
def make_database(tmp_path):
    """A function that creates the bundle's keys, {key: value}, and returns their SQLite."""

    def make(values):
        with sqlite3.connect(tmp_path / "site.db") as raw:
            raw.execute("CREATE TABLE lab_bundle (id INTEGER PRIMARY KEY, value TEXT)")
            rows = [(key, json.dumps(value)) for key, value in values.items()]
            raw.executemany("INSERT INTO lab_bundle VALUES (?, ?)", rows)
        raw.close()
        return SQLite(tmp_path)

    return make


@pytest.mark.parametrize(
    ("name", "writes", "stored", "lost", "anomaly"),
    [
        ("set", ADDED, {SET: [5, 6]}, {SET: [6]}, "lost write"),
        ("counter", COUNTED, {COUNTER: 1}, {COUNTER: 0}, "lost update"),
        ("register", WRITTEN, {REGISTER: 1}, {REGISTER: 0}, "stale read"),
    ],
)
def test_an_acknowledged_write_that_is_not_in_the_database_is_caught(
    make_database, tmp_path, name, writes, stored, lost, anomaly
):
    seen = in_sql(make_database(stored), "bundle", name)
    assert from_lines([to_line(seen)])[0].value == seen.value
    assert WORKLOADS[name].check([*writes, seen]).outcome is Outcome.VALID
    (tmp_path / "site.db").unlink()
    seen = in_sql(make_database(lost), "bundle", name)
    result = WORKLOADS[name].check([*writes, seen])
    assert (result.outcome, result.counts) == (Outcome.INVALID, {anomaly: 1})


def test_the_faults_are_counted_below_the_table():
    done = (Fault("graceful", 1, 2), Fault("SIGSTOP", 3, 4), Fault("graceful", 5, 6))
    rows = [
        Row("set", mode, VALID, 3, 3, 1, "", faults)
        for mode, faults in (("recipe", done), ("bundle", done[:1]))
    ]
    assert list(table(rows))[-4:] == [
        "| fault | recipe | bundle |",
        "|---|---|---|",
        "| SIGSTOP | 1 | 0 |",
        "| graceful | 2 | 1 |",
    ]
    assert "| fault |" not in "".join(table([Row("set", "bundle", VALID, 3, 3, 1, "")]))
