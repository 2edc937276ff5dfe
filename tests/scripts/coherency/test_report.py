"""The experiment's verdict, its table, and the files it leaves."""

import dataclasses
import json

import pytest

from scripts.lib.coherency.checkers import register
from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.history import Fault
from scripts.lib.coherency.options import parse_options
from scripts.lib.coherency.report.results import (
    Row,
    outcome,
    read_history,
    statistics_table,
    summary,
    table,
    verdict,
    verdicts,
    write_history,
    write_results,
)
from tests.scripts.coherency.histories import op

STALE = [
    op(0, 10**6, ("write", 1, 1), client=1),
    op(2 * 10**6, 3 * 10**6, ("read", 1, 0), client=2),
]
VALID = register.check(STALE[:1] + [op(2, 3, ("read", 1, 1))])
INVALID = register.check(STALE)
UNKNOWN = register.check([])


def row(mode, result, expected=""):
    return Row("register", mode, result, 10, 9, 2, expected)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("bundle", VALID), row("default", INVALID, "stale read")], Outcome.VALID),
        ([row("bundle", VALID), row("nocache", INVALID)], Outcome.VALID),
        ([row("bundle", INVALID), row("default", VALID, "stale read")], Outcome.INVALID),
        ([row("bundle", UNKNOWN)], Outcome.UNKNOWN),
        ([row("bundle", VALID), row("default", VALID, "stale read")], Outcome.UNKNOWN),
        ([row("bundle", VALID), row("default", INVALID, "lost update")], Outcome.UNKNOWN),
    ],
)
def test_only_a_valid_bundle_beside_the_expected_faults_is_valid(rows, expected):
    assert outcome(rows) is expected


def test_the_table_names_anomalies_what_is_unknown_and_what_was_not_seen():
    rows = [row("bundle", VALID), row("default", INVALID), row("default", VALID, "stale read")]
    lines = list(table([*rows, row("recipe", UNKNOWN)]))
    assert lines[2:5] == [
        "| register | bundle | 10 | 9 | 0 | 5 | none | none |",
        "| register | default | 10 | 9 | 0 | 5 | 1 stale read | any |",
        "| register | default | 10 | 9 | 0 | 5 | none | stale read (!) |",
    ]
    assert "unknown: nothing was acknowledged" in lines[5]


@pytest.mark.parametrize(
    ("rows", "beginning", "named"),
    [
        ([row("bundle", VALID), row("default", INVALID, "stale read")], "Valid", "10 operations"),
        ([row("bundle", INVALID)], "Invalid", "in register, 1 in all"),
        ([row("default", VALID, "stale read")], "Unknown", "register in default"),
        ([row("default", INVALID)], "Valid", "no run of the bundle"),
    ],
)
def test_the_verdict_is_one_sentence_that_names_what_is_wrong(rows, beginning, named):
    assert verdict(rows).startswith(f"{beginning}: ") and named in verdict(rows)


def test_each_mode_has_its_verdict_in_words():
    rows = [row("bundle", VALID), row("default", INVALID, "stale read"), row("recipe", UNKNOWN)]
    assert verdicts(rows) == {
        "bundle": "no anomaly in 9 acknowledged requests of 1 workloads: at 95 % less than one "
        "of 3 has one",
        "default": "anomalies in 1 of 1 workloads: 1 stale read",
        "recipe": "unknown in register",
    }


def test_loads_with_several_seeds_are_added_up():
    twice = row("bundle", VALID).and_more(row("bundle", VALID))
    assert (twice.operations, twice.acknowledged, twice.seconds, twice.seeds) == (20, 18, 4, 2)
    assert list(statistics_table([twice]))[-1] == "| register | 18 | 2 | 6 |"
    spoilt = twice.and_more(row("bundle", INVALID)).and_more(row("bundle", INVALID))
    assert spoilt.result.outcome is Outcome.INVALID
    assert (spoilt.result.counts, spoilt.seeds, spoilt.bound) == ({"stale read": 2}, 4, 0)
    assert list(statistics_table([spoilt]))[-1].endswith("| unknown |")


def test_the_run_saves_what_is_printed_the_figures_and_the_configuration(tmp_path):
    stopped = Fault("SIGSTOP", 1, 2)
    rows = [dataclasses.replace(row("default", INVALID), faults=(stopped,), retries=3)]
    write_results(tmp_path, {"seed": 7}, rows)
    assert "\n".join(summary({"seed": 7}, rows)) in (tmp_path / "results.md").read_text()
    (result,) = json.loads((tmp_path / "results.json").read_text())
    assert (result["retries"], result["anomalies"]) == (3, {"stale read": 1})
    assert result["faults"] == [{"name": "SIGSTOP", "t0": 1, "t1": 2, "count": 1}]
    assert result["faults of all loads"] == {"SIGSTOP": [1, 1]}
    assert json.loads((tmp_path / "configuration.json").read_text()) == {"seed": 7}


def test_a_history_is_read_as_it_was_written(tmp_path):
    write_history(tmp_path, "default", "register", STALE[::-1])
    read = read_history(tmp_path, "default", "register")
    assert list(map(dataclasses.astuple, read)) == list(map(dataclasses.astuple, STALE))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seconds", "0"],
        ["--seconds", "x"],
        ["--modes", "fast"],
        ["--clients", "99"],
        ["--sec"],
        ["--url", "localhost"],
        ["--database", "oracle"],
        ["--threads", "2", "--url", "http://127.0.0.1:1"],
        ["--hours", "0"],
        ["--hours", "nan"],
        ["--operations", "0"],
        ["--operations", "9", "--hours", "1"],
        ["--faults", "SIGSTOP", "rain"],
        ["--faults", "queries stop"],
        ["--oracle", "0"],
        ["--mutants", "--url", "http://127.0.0.1:1"],
    ],
)
def test_a_wrong_option_is_named_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse_options(arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_running_site_needs_its_token(monkeypatch, capsys):
    monkeypatch.delenv("SITE_API_TOKEN", raising=False)
    with pytest.raises(SystemExit) as stopped:
        parse_options(["--url", "http://127.0.0.1:1"])
    assert stopped.value.code == 2
    assert "SITE_API_TOKEN is not set" in capsys.readouterr().err


def test_the_seconds_are_shared_by_the_workloads():
    options = parse_options(["--seconds", "10", "--workloads", "register", "counter"])
    assert options.seconds_each == 5
