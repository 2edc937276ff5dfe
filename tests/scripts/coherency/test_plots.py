"""What the plots show, from histories written by hand, and that they are files one can open."""

import xml.etree.ElementTree as ElementTree

import pytest

from scripts.lib.coherency.checkers import register
from scripts.lib.coherency.history import Fault
from scripts.lib.coherency.report.plots import write_plots
from scripts.lib.coherency.report.results import Row, write_history
from scripts.lib.coherency.report.samples import (
    bins,
    cell,
    quantiles,
    shares_at_least,
    staleness,
    thinned,
)
from tests.scripts.coherency.histories import op

S, MS = 10**9, 10**6
HISTORY = [
    op(5 * S, 5 * S + 2 * MS, ("write", 1, 1)),
    op(6 * S, 6 * S + 4 * MS, ("write", 1, 2), type="info"),
    op(7 * S, 7 * S + 6 * MS, ("read", 1, 0)),
    op(8 * S, 9 * S, ("read", 1, None), type="fail"),
]


def test_a_cell_has_each_operation_by_outcome_at_its_place_on_the_axis():
    one = cell("register", HISTORY, [Fault("SIGSTOP", 6 * S, 8 * S)], begin=10)
    assert (one.begin, one.end) == (10, 14)
    assert {type: list(times) for type, times in one.times.items()} == {
        "ok": [10, 12],
        "info": [11],
        "fail": [13],
    }
    assert list(one.latencies["ok"]) == [2, 6] and list(one.latencies["fail"]) == [1000]
    assert one.faults == (("SIGSTOP", 11, 13),)


def test_bins_end_with_their_workload_and_count_every_operation():
    one = cell("register", HISTORY, [], begin=0)
    other = cell("session", HISTORY[:1], [], begin=one.end)
    binned = list(bins([one, other]))
    assert len(binned) == 2
    for found, source in zip(binned, (one, other), strict=True):
        assert source.begin <= found[0].middle and found[-1].middle <= source.end + 1e-6
        for type, times in source.times.items():
            assert sum(each.rates[type] * each.width for each in found) == pytest.approx(
                len(times)
            )
    assert [each.quantiles for each in binned[0] if each.quantiles] == [(2, 2, 2), (6, 6, 6)]


def test_quantiles_are_values_that_were_there():
    assert quantiles(range(1, 201)) == (100, 190, 198)
    assert quantiles([7]) == (7, 7, 7)
    assert quantiles([]) is None


def test_thinning_takes_every_nth_and_all_of_a_few():
    assert thinned([1, 2, 3], 3) == [1, 2, 3]
    assert thinned(list(range(10)), 3) == [0, 4, 8]


def test_a_read_is_stale_since_the_first_newer_value_was_acknowledged():
    history = [
        op(0, 10, ("write", 1, 1)),
        op(20, 30, ("write", 1, 2)),
        op(40, 50, ("write", 1, 3)),
        op(60, 70, ("read", 1, 3)),
        op(60, 70, ("read", 1, 1)),
        op(60, 70, ("read", 1, 0)),
        op(45, 55, ("read", 1, 2)),
        op(5, 15, ("read", 1, 0)),
        op(60, 70, ("read", 2, 0)),
    ]
    assert [age for _, age in register.staleness(history)] == [0, 30, 50, 0, 0, 0]
    stale = register.check(history).counts["stale read"]
    assert stale == sum(age > 0 for _, age in register.staleness(history))


def test_the_staleness_is_told_by_process_in_ms():
    history = [op(0, MS, ("write", 1, 1)), op(3 * MS, 4 * MS, ("read", 1, 0))]
    assert {who: list(ages) for who, ages in staleness(history).items()} == {("", 0): [2.0]}


def test_shares_are_of_all_reads_and_fall_with_the_age():
    assert shares_at_least([0, 5, 0, 1]) == ([1, 5], [50, 25])
    assert shares_at_least([0, 0]) == ([], [])


def rows_in(folder, *modes, faults=()):
    for mode in modes:
        write_history(folder, mode, "register", HISTORY)
    result = register.check(HISTORY)
    return [Row("register", mode, result, 4, 2, 4, "", faults) for mode in modes]


def svg_texts(path):
    return {element.text for element in ElementTree.parse(path).iter() if element.text}


@pytest.mark.slow
def test_a_run_has_a_summary_the_staleness_and_each_mode_over_time(tmp_path):
    faults = (Fault("SIGSTOP & <more>", 6 * S, 7 * S),)
    plots = write_plots(tmp_path, rows_in(tmp_path, "default", "bundle", faults=faults), "SQLite")
    assert [plot.name for plot in plots] == [
        "summary.svg",
        "staleness.svg",
        "time-default.svg",
        "time-bundle.svg",
    ]
    for plot in plots:
        assert ElementTree.parse(tmp_path / plot.name).getroot().tag.endswith("svg")
        assert (tmp_path / plot.name).with_suffix(".png").stat().st_size > 1000
        assert plot.caption and plot.alternative
    assert {"register", "default", "bundle", "SQLite"} <= svg_texts(tmp_path / "summary.svg")
    assert {"register", "failed", "SIGSTOP & <more>"} <= svg_texts(tmp_path / "time-default.svg")
    assert "1 of 1 reads stale" in plots[1].alternative


@pytest.mark.slow
def test_a_large_history_makes_no_large_plot(tmp_path):
    many = [op(n * MS, n * MS + MS, ("read", 1, 0)) for n in range(60_000)]
    write_history(tmp_path, "default", "register", many)
    row = Row("register", "default", register.check(many), len(many), len(many), 60, "")
    for plot in write_plots(tmp_path, [row], ""):
        assert (tmp_path / plot.name).stat().st_size < 1_000_000


@pytest.mark.slow
def test_an_anomaly_of_the_bundle_is_marked_by_a_sign(tmp_path):
    write_plots(tmp_path, rows_in(tmp_path, "bundle"), "")
    assert "1 (!)" in svg_texts(tmp_path / "summary.svg")


def test_a_workload_without_operations_is_left_out_of_the_plots_over_time(tmp_path):
    row = Row("register", "default", register.check([]), 0, 0, 1, "")
    assert [plot.name for plot in write_plots(tmp_path, [row], "")] == ["summary.svg"]
