"""Witnesses told: who asked what when, what was answered, and what is left out."""

import dataclasses

from scripts.lib.coherency.checkers import counter
from scripts.lib.coherency.checkers.cycles import LEVELS, PATHS
from scripts.lib.coherency.checkers.result import Witness
from scripts.lib.coherency.report.anomalies import SENTENCES, explained
from scripts.lib.coherency.report.transcript import MOST_ELEMENTS, step_texts, told
from tests.scripts.coherency.histories import op

MS = 10**6


def served(operation, pid):
    return dataclasses.replace(operation, host="web1", pid=pid)


def test_each_operation_has_its_times_its_client_its_process_its_steps_and_its_outcome():
    write = served(op(5 * MS, 6 * MS, ("write", 1, 7), client=1), 40)
    read = served(op(8 * MS, 9 * MS, ("read", 1, 0), client=2), 50)
    transcript = told(Witness("stale read", (write, read), "1 is older"))
    one, other = transcript.first
    assert (one.number, one.begin, one.end, one.client, one.process) == (1, 0, 1, 1, "P1")
    assert (one.steps, one.outcome) == (("write 7 to key 1",), "acknowledged")
    assert (other.begin, other.process, other.steps) == (3, "P2", ("read key 1 → 0",))
    assert transcript.processes == {"P1": "process 40 on web1", "P2": "process 50 on web1"}
    assert (transcript.left_out, transcript.last, transcript.reason) == ("", (), "1 is older")


def test_a_client_keeps_its_number_after_an_unknown_outcome():
    later = dataclasses.replace(op(0, 1, ("write", 1, 7), type="info", client=2003), session=3)
    (line,) = told(Witness("G1a", (later,), "")).first
    assert (line.client, line.process) == (3, "")
    assert "whether it was done" in line.outcome


def test_an_error_that_was_asked_for_is_told_as_such():
    raising = op(0, 1, ("write", 1, 7), ("sleep", 3), ("raise",), type="info")
    (line,) = told(Witness("G1a", (raising,), "")).first
    assert line.steps == ("write 7 to key 1", "wait 3 ms", "raise an error")
    assert "asked for" in line.outcome


def test_of_a_long_witness_the_ends_are_told_and_how_much_is_between():
    adds = [op(10 * n, 10 * n + 5, ("add", 1, 1)) for n in range(1250)]
    witness = counter.check([*adds, op(20_000, 20_001, ("read", 1, 9))]).witness
    transcript = told(witness)
    assert [line.number for line in transcript.first] == [1, 2, 3, 4]
    assert [line.number for line in transcript.last] == [1247, 1248, 1249, 1250, 1251]
    assert transcript.left_out == "1,242 further additions, acknowledged"
    assert "at least 1250" in transcript.reason


def test_of_many_reads_those_of_the_keys_in_question_are_told():
    append = op(0, 1, ("append", 40, 5))
    read = op(2, 3, *(("read", key, ()) for key in range(1, 101)))
    transcript = told(Witness("lost write", (append, read), ""))
    assert transcript.first[1].steps == ("read key 40 → []", "… 99 further steps …")


def test_of_many_reads_those_that_another_has_found_otherwise_are_told():
    """As in a long fork, of which the witness has the reads only."""
    one = op(0, 1, *(("read", key, 1 if key == 77 else 0) for key in range(1, 101)))
    other = op(0, 1, *(("read", key, 1 if key == 78 else 0) for key in range(1, 101)))
    transcript = told(Witness("long fork", (one, other), ""))
    assert transcript.first[0].steps == (
        "read key 77 → 1",
        "read key 78 → 0",
        "… 98 further steps …",
    )


def test_a_long_list_shows_its_ends_and_the_elements_in_question():
    seen = tuple(range(100, 200))
    assert len(seen) > MOST_ELEMENTS
    writer = op(0, 1, ("append", 1, 150))
    reader = op(0, 2, ("read", 1, seen))
    assert told(Witness("", (writer, reader), "")).first[1].steps == (
        "read key 1 → [100, 101, … 47 more …, 149, 150, 151, … 46 more …, 198, 199]",
    )
    other = op(0, 3, ("read", 1, (*seen[:50], 7, *seen[51:])))
    assert "149, 150, 151" in told(Witness("", (reader, other), "")).first[0].steps[0]
    assert "149, 7, 151" in told(Witness("", (reader, other), "")).first[1].steps[0]


def test_every_anomaly_of_a_cycle_is_explained():
    assert PATHS.keys() <= SENTENCES.keys()
    for name in PATHS:
        texts = {explained(name + ending) for ending, _ in LEVELS}
        assert len(texts) == len(LEVELS) and all(
            text.startswith(explained(name)) for text in texts
        )


def test_every_kind_of_step_is_told():
    steps = (
        ("list", (1, 4), ((1, 5), (2, (6, 7)))),
        ("list", (1, 4, 9), ()),
        ("count", (1, 4, (5,)), 3),
        ("insert", 1, 5),
        ("delete", 2),
        ("on_commit", 1, 7),
        ("fail", "caught"),
        ("savepoint", (("write", 1, 2), ("read", 1, 2)), "raise"),
        ("savepoint", (("add", 1, 2),), None),
    )
    texts = [step_texts(one, [one])[0] for one in (op(0, 1, step) for step in steps)]
    assert texts == [
        "list keys 1 to 4 → 1: 5, 2: [6, 7]",
        "list keys 1 to 4 that are 9 → none",
        "count keys 1 to 4 that are [5] → 3",
        "insert key 1 with 5",
        "delete key 2",
        "append 7 to key 1 after the commit",
        "send a statement that fails, caught",
        "savepoint, undone: write 2 to key 1; read key 1 → 2",
        "savepoint, done: add 2 to key 1",
    ]
