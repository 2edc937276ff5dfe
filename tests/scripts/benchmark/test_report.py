"""A benchmark's rows, table and plot from loads written by hand; its options."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from scripts.lib.benchmark.load import Load
from scripts.lib.benchmark.options import parse_options
from scripts.lib.benchmark.report import rows, table, write_results
from scripts.lib.results.plots import INK, INK_AT_NIGHT

LOADS = {
    "row": {
        "bare": [],
        "default": [Load(100, 1, 10, 0), Load(50, 2, 20, 0), Load(200, 3, 30, 1)],
        "bundle": [Load(150, 4, 40, 0), Load(100, 5, 50, 2), Load(200, 6, 60, 3)],
    }
}
DESCRIPTION = {"date": "2026-11-24 10:00:00 +0000", "database": "SQLite", "served by": "2 x 2"}


def svg_texts(path):
    return {element.text for element in ElementTree.parse(path).iter() if element.text}


def test_a_ratio_is_the_median_of_those_within_a_round():
    default, bundle = rows(LOADS)
    assert (default.ratio("default"), bundle.ratio("default")) == (1, 1.5)
    assert bundle.ratios["default"] == [1.5, 2, 1]
    assert bundle.ratio("recipe") is None
    assert (bundle.rate, bundle.p50, bundle.p99, bundle.errors) == (150, 5, 50, 5)


def test_a_mode_that_answered_nothing_has_no_ratio_to_it():
    default, bundle = rows({"row": {"default": [Load(0, 0, 0, 9)], "bundle": [Load(1, 1, 1, 0)]}})
    assert bundle.ratio("default") is None and default.errors == 9


def test_the_table_has_a_row_for_each_route_and_mode_with_the_range_of_its_ratios():
    heading, _, *lines = table(rows(LOADS))
    assert "| to default (range) | closed-loop p50 ms | p99 ms |" in heading
    assert lines == [
        "| one row by id | default | 100 | 1.00 | 2.0 | 20.0 | 1 |  |",
        "| one row by id | bundle | 150 | 1.50 (1.00–2.00) | 5.0 | 50.0 | 5 |  |",
    ]


def test_the_table_has_the_ratios_to_each_base_that_was_measured():
    loads = {
        "empty": {"raw": [Load(400, 1, 1, 0)], "flask": [Load(100, 1, 1, 0)]},
        "row": {"flask": [Load(100, 1, 1, 0)]},
    }
    assert list(table(rows(loads)))[2:] == [
        "| page without database | raw | 400 | 1.00 | 1.0 | 1.0 | 0 |  |",
        "| page without database | flask | 100 | 0.25 | 1.0 | 1.0 | 0 |  |",
        "| one row by id | flask | 100 |  | 1.0 | 1.0 | 0 |  |",
    ]


def test_retries_are_of_a_thousand_writes_over_all_rounds():
    loads = [Load(1, 1, 1, 0, written=300, retried=2), Load(1, 1, 1, 0, written=700, retried=1)]
    [row] = rows({"write": {"bundle": loads}})
    assert row.retries == 3
    assert list(table([row]))[2].endswith("| 3.0 |")


def test_the_run_saves_the_table_the_figures_of_each_round_and_the_plot(tmp_path):
    found = rows(LOADS)
    write_results(tmp_path, DESCRIPTION, found, [])
    assert "\n".join(table(found)) in (tmp_path / "results.md").read_text()
    saved = json.loads((tmp_path / "results.json").read_text())
    assert saved["configuration"] == DESCRIPTION
    assert saved["rows"][1]["rates"] == [150, 100, 200]
    assert {"1.50", "bundle"} <= svg_texts(tmp_path / "ratios.svg")


def test_the_plot_changes_its_ink_on_a_dark_page(tmp_path):
    write_results(tmp_path, DESCRIPTION, rows(LOADS), [])
    text = (tmp_path / "ratios.svg").read_text()
    assert f'[style*="fill: {INK}"]{{fill:{INK_AT_NIGHT} !important}}' in text
    assert f'fill: {INK}"' in text


@pytest.mark.parametrize("mode", ["bundle", "default"])
def test_one_mode_alone_has_no_plot(mode, tmp_path):
    write_results(tmp_path, DESCRIPTION, rows({"row": {mode: [Load(1, 1, 1, 0)]}}), [])
    assert {path.name for path in tmp_path.iterdir()} == {"results.md", "results.json"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rounds", "0"],
        ["--seconds", "x"],
        ["--routes", "all"],
        ["--modes", "fast"],
        ["--r", "1"],
        ["--routes", "row", "--modes", "bare"],
    ],
)
def test_a_wrong_option_is_named_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse_options(arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--growth", "rows=100", "--memory"], "not allowed with argument"),
        (["--growth", "--routes", "row"], "argument --routes: --growth does not use it"),
        (["--memory", "--rounds", "3"], "argument --rounds: --memory does not use it"),
        (["--path", "/", "--peers"], "argument --peers: --path does not use it"),
        (
            ["--in-process", "--modes", "flask"],
            "argument --modes: --in-process cannot measure flask",
        ),
        (["--growth", "--modes", "bare"], "argument --modes: --growth cannot measure bare"),
        (["--memory", "--rows", "50"], "argument --rows: must be more than --kept-rows"),
        (["--growth", "speed"], "'speed' is not one of processes, connections"),
        (["--growth", "rows=1,x"], "'rows=1,x' is not like rows=100,"),
        (["--growth", "processes=0,1"], "processes: values are from 1 to"),
        (["--growth", "writes=0,101"], "writes: values are from 0 to 100"),
        (["--writes", "5"], "argument --writes: it needs --memory"),
        (["--memory", "10"], "'10' is not a whole number from 1000"),
    ],
)
def test_options_that_do_not_go_together_are_told_with_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse_options(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_the_peers_are_measured_beside_the_modes():
    assert parse_options(["--peers", "--modes", "bundle", "django"]).modes == [
        "bundle", "django", "raw", "flask",
    ]  # fmt: skip
    assert "flask" not in parse_options([]).modes


def test_a_mode_that_is_named_twice_is_measured_once():
    assert parse_options(["--modes", "bundle", "default", "bundle"]).modes == ["bundle", "default"]
