"""The options of scripts/loadtest and its verdict."""

import socket

import pytest

from scripts.lib.loadtest.options import parse_options
from scripts.lib.loadtest.report import causes, table, verdict

RIGHT = {"requests": 9, "per_second": 3.0, "ms": [1, 20, 300], "failed": 0, "wrong": 0}


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("SITE_API_TOKEN", "a-token-for-the-options")


def totals(left=0, exceptions=(), **changed):
    total = RIGHT | changed
    return {
        "kinds": [total | {"kind": "GET /"}],
        "total": total,
        "errors": [{"error": "GET /: 500", "count": 2}],
        "exceptions": list(exceptions),
        "left": left,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["--users", "0"],
        ["--seconds", "x"],
        ["--database", "oracle"],
        ["--lab", "fast"],
        ["--url", "localhost:8080"],
        ["--url", "http://localhost?a=b"],
        ["--url", "http://[::1"],
        ["--url", "http://:80"],
        ["--url", "http://localhost:99999"],
        ["--url", "http://localhost:web"],
        ["--url", "http://user:password@localhost"],
        ["--url", f"http://{'a' * 64}.example"],
        ["--url", "http://localhost/ä"],
        ["--processes", "2", "--url", "http://localhost"],
        ["--database", "sqlite", "--url", "http://localhost"],
        ["--workers", "3", "--users", "2"],
        ["--listen", "127.0.0.1:5557", "--workers", "2"],
        ["--join", "127.0.0.1:5557", "--url", "http://localhost"],
        ["--join", "5557"],
        ["--use", "3"],
    ],
)
def test_a_wrong_option_is_named_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse_options(arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--web-port", "--listen"])
def test_a_port_that_is_taken_is_named_with_status_2(option, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as stopped:
        port = taken.getsockname()[1]
        arguments = ["--web"] if option == "--web-port" else ["--workers", "1"]
        value = str(port) if option == "--web-port" else f"127.0.0.1:{port}"
        parse_options(["--url", "http://localhost", *arguments, option, value])
    assert stopped.value.code == 2
    assert f"{option}: port {port} is taken" in capsys.readouterr().err


def test_the_address_is_taken_with_or_without_a_slash_at_its_end():
    assert parse_options(["--url", "https://host:1/base/"]).url == "https://host:1/base"
    assert parse_options(["--url", "http://[::1]:80/"]).url == "http://[::1]:80"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 0),
        ({"failed": 1}, 1),
        ({"wrong": 1}, 1),
        ({"left": 1}, 1),
        ({"requests": 0}, 1),
        ({"exceptions": [{"count": 1, "traceback": "in the check"}]}, 1),
    ],
)
def test_the_status_is_0_only_if_all_answers_were_right_and_nothing_was_left(changed, status):
    assert verdict(totals(**changed)) == status


def test_the_table_has_a_row_for_each_kind_and_one_for_all():
    lines = list(table(totals(wrong=4)))
    assert lines[2] == "| GET / | 9 | 3.0 | 1 | 20 | 300 | 0 | 4 |"
    assert lines[3] == "| all | 9 | 3.0 | 1 | 20 | 300 | 0 | 4 |"


def test_the_causes_are_told_with_their_number():
    told = list(causes(totals(left=3)))
    assert told == ["2 x GET /: 500", "3 x a user was still there at the end; it has been deleted"]
