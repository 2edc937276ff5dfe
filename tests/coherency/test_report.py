"""The experiment's verdict, its table and its transcripts."""

import pytest

from scripts.lib.coherency import register
from scripts.lib.coherency.experiment import parse_options
from scripts.lib.coherency.report import Row, outcome, table, transcript, witnesses
from scripts.lib.coherency.result import Outcome
from tests.coherency.histories import op

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
        "| register | bundle | 10 | 9 | 5 | none | none |",
        "| register | default | 10 | 9 | 5 | 1 stale read | any |",
        "| register | default | 10 | 9 | 5 | none | stale read (!) |",
    ]
    assert "unknown: nothing was acknowledged" in lines[5]


def test_a_witness_is_told_as_a_transcript():
    assert list(transcript(INVALID.witness)) == [
        "T1  0.0 to 1.0 ms, client 1, process unknown, ok: write 1 1",
        "T2  2.0 to 3.0 ms, client 2, process unknown, ok: read 1: 0",
        "1 was acknowledged as 1 before this read of 0 began",
    ]
    assert "\n### stale read: register, default\n" in list(witnesses([row("default", INVALID)]))


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
