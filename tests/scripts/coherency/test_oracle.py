"""The checkers say what a search through all orders of the transactions says."""

import pytest

from scripts.lib.coherency.elle import events, model_of
from scripts.lib.coherency.oracle import SUBJECTS, compare, has_serial_order
from tests.scripts.coherency.histories import op

HISTORIES = {True: 8000, False: 3000}


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_checker_agrees_with_the_search_on_random_histories(name):
    count = HISTORIES[SUBJECTS[name].exact]
    verdicts, anomalies = compare(name, count, seed=1)
    assert min(verdicts["serial"], verdicts["not serial"]) > count // 40
    # A checker that has become blind to one of them agrees with the search, too.
    assert anomalies.keys() >= SUBJECTS[name].finds


def test_the_search_finds_an_order_only_if_there_is_one():
    write, read = op(0, 1, ("append", 1, 5)), op(2, 3, ("read", 1, (5,)))
    assert has_serial_order([write, read], ())
    assert not has_serial_order([write, op(2, 3, ("read", 1, ()))], ())
    assert has_serial_order([write, op(1, 3, ("read", 1, ()))], ())
    maybe = op(0, 1, ("append", 1, 5), type="info")
    assert has_serial_order([maybe, op(2, 3, ("read", 1, ())), op(4, 5, ("read", 1, (5,)))], ())
    assert not has_serial_order([maybe, read, op(4, 5, ("read", 1, ()))], ())


def test_a_history_for_elle_has_the_invocations_and_the_answers_in_the_order_of_their_times():
    history = [
        op(0, 5, ("append", 1, 7), ("read", 2, (3, 4)), client=8),
        op(3, 9, ("append", 2, 9), ("raise",), type="info", client=9),
        op(6, 7, ("list", (1, 2), ((1, (7,)),)), client=8),
    ]
    assert model_of(history) == "list-append"
    assert list(events(history)) == [
        "{:index 0, :time 0, :type :invoke, :process 0, :f :txn, "
        ":value [[:append 1 7] [:r 2 nil]]}",
        "{:index 1, :time 3, :type :invoke, :process 1, :f :txn, :value [[:append 2 9]]}",
        "{:index 2, :time 5, :type :ok, :process 0, :f :txn, :value [[:append 1 7] [:r 2 [3 4]]]}",
        "{:index 3, :time 6, :type :invoke, :process 0, :f :txn, :value [[:r 1 nil]]}",
        "{:index 4, :time 7, :type :ok, :process 0, :f :txn, :value [[:r 1 [7]]]}",
        "{:index 5, :time 9, :type :fail, :process 1, :f :txn, :value [[:append 2 9]]}",
    ]


def test_the_initial_value_of_a_register_is_nil_to_elle():
    history = [op(0, 1, ("read", 1, 0), ("write", 1, 3))]
    assert model_of(history) == "rw-register"
    assert (
        ":type :ok, :process 0, :f :txn, :value [[:r 1 nil] [:w 1 3]]" in list(events(history))[1]
    )
    assert model_of([op(0, 1, ("add", 1, 3))]) is None


def test_elle_has_no_history_in_which_a_value_is_written_twice():
    once, again = op(0, 1, ("write", 1, 3)), op(0, 1, ("write", 1, 3))
    assert model_of([once, op(0, 1, ("write", 2, 3))]) == "rw-register"
    assert model_of([once, again]) is None
