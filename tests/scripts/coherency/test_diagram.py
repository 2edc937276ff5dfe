"""A witness drawn: which edges its operations show, and what the drawing contains."""

import re
from xml.etree import ElementTree

from scripts.lib.coherency.checkers import list_append
from scripts.lib.coherency.report.diagram import MOST_DRAWN, drawn, edges
from tests.scripts.coherency.histories import op


def shown(*operations):
    """The edges as pairs of numbers from 1, with their kinds."""
    place = {operation: number for number, operation in enumerate(operations, 1)}
    return {(place[one], place[other]): kinds for one, other, kinds in edges(operations)}


def test_a_stale_read_came_before_the_write_that_had_been_acknowledged():
    write, read = op(0, 1, ("write", 1, 7)), op(2, 3, ("read", 1, 0))
    assert shown(write, read) == {(2, 1): ["rw"], (1, 2): ["realtime"]}


def test_write_skew_is_two_edges_rw():
    one, other = (
        op(0, 9, ("read", 1, ()), ("append", 2, 1)),
        op(0, 9, ("read", 2, ()), ("append", 1, 1)),
    )
    assert shown(one, other) == {(1, 2): ["rw"], (2, 1): ["rw"]}


def test_lists_show_what_was_read_and_in_which_order_it_was_written():
    first, second = op(0, 1, ("append", 1, 5)), op(0, 1, ("append", 1, 6))
    assert shown(first, second, op(2, 3, ("read", 1, (5, 6)))) == {
        (1, 2): ["ww"],
        (1, 3): ["wr"],
        (2, 3): ["wr"],
    }


def test_a_read_of_a_later_write_is_not_from_before_an_earlier_one():
    one, other = op(0, 1, ("write", 1, 5)), op(2, 3, ("write", 1, 6))
    assert shown(one, other, op(4, 5, ("read", 1, 6))) == {(2, 3): ["wr"]}


def test_the_drawing_has_a_box_for_each_transaction_and_a_name_at_each_edge():
    write, read = op(0, 10**6, ("write", 1, 7)), op(2 * 10**6, 3 * 10**6, ("read", 1, 0))
    svg = ElementTree.fromstring(drawn((write, read)))
    assert len(svg.findall("rect")) == 2
    texts = [text.text for text in svg.findall("text")]
    assert "write 7 to key 1" in texts and "read key 1 → 0" in texts
    assert {"rw", "realtime"} <= set(texts)
    assert "T2 before T1 (rw)" in svg.get("aria-label")
    assert all(float(box.get("x")) >= 0 for box in svg.findall("rect"))


def test_a_kind_stands_once_at_an_edge():
    writer = op(0, 9, ("append", 1, 5), ("append", 1, 6))
    assert shown(op(0, 9, ("read", 1, ()), ("read", 1, ())), writer) == {(1, 2): ["rw"]}


def test_a_cycle_is_drawn_as_a_whole_though_a_read_of_another_transaction_shows_an_edge():
    one = op(0, 9, ("append", 1, 5), ("append", 1, 6))
    two = op(1, 8, ("read", 1, ()), ("append", 1, 7))
    result = list_append.check([one, two, op(10, 11, ("read", 1, (5, 6, 7)))])
    witness = result.witnesses["G-single"]
    assert witness.operations == (one, two)
    svg = ElementTree.fromstring(drawn(witness.operations, witness.edges))
    assert {"ww", "rw"} <= {text.text for text in svg.findall("text")}


def test_many_transactions_are_not_drawn():
    assert drawn([op(n, n + 1, ("add", 1, 1)) for n in range(MOST_DRAWN + 1)]) == ""


def test_text_in_a_drawing_is_not_markup():
    assert not re.search("<b>", drawn([op(0, 1, ("fail", "<b>"))]))
