"""No request sees an older value than its start had, whoever has changed it meanwhile."""

import gc

import pytest
from sqlobject import StringCol

from app.transactions import statistics, writing
from tests.contract.library import Author, Novel, name, titles
from tests.contract.site import KEEPING


def test_a_change_by_another_process_is_seen_at_once(library):
    assert library.run(name) == "Ada"
    library.execute("UPDATE author SET name = 'Grace'")
    assert library.counted(name) == ("Grace", 1)


def test_a_change_by_the_same_thread_is_seen_at_once(library):
    assert library.run(name) == "Ada"
    library.run(lambda: Author.get(1).set(name="Grace"), "POST")
    assert library.run(name) == "Grace"


def test_a_change_in_a_get_is_seen_at_once_by_it_and_by_the_next(library):
    def rename():
        author = Author.get(1)
        author.name = "Grace"
        return author.name

    assert library.run(name) == "Ada"
    assert library.run(rename) == "Grace"
    assert library.run(name) == "Grace"


def test_a_change_that_is_rolled_back_is_not_seen(library):
    def fails():
        Author.get(1).name = "Grace"
        raise ZeroDivisionError

    assert library.run(name) == "Ada"
    for method in ("GET", "POST"):
        library.run(fails, method)
        assert library.status.startswith("500")
        assert library.run(name) == "Ada"


def test_a_deleted_row_is_gone(library):
    library.run(titles)
    library.execute("DELETE FROM novel WHERE id = 2")
    assert library.run(titles) == ["novel 0", "novel 2"]
    assert library.run(lambda: [novel.title for novel in Author.get(1).novels]) == [
        "novel 0",
        "novel 2",
    ]


@pytest.mark.engines(*KEEPING)
def test_a_commit_after_kept_rows_were_used_has_the_request_run_again(library):
    """Otherwise it would answer with rows of two instants."""
    runs = []

    def both():
        before = name()
        if not runs:
            library.execute("UPDATE author SET name = 'Grace'")
            library.execute("UPDATE novel SET title = 'new'")
        runs.append(before)
        return before, titles()[0]

    for _ in range(3):
        assert library.run(name) == "Ada"
    assert library.run(both) == ("Grace", "new")
    assert runs == ["Ada", "Grace"]


def test_a_write_after_kept_rows_were_used_starts_from_the_present_row(library):
    runs = []

    def append():
        author = Author.get(1)
        before = author.name
        if not runs:
            library.execute("UPDATE author SET name = 'Grace'")
        runs.append(before)
        author.name = before + "!"

    for _ in range(3):
        library.run(name)
    library.run(append)
    assert library.run(name) == "Grace!"


def test_a_changed_column_list_is_noticed(library):
    assert library.run(name) == "Ada"
    library.execute("ALTER TABLE author ADD COLUMN note TEXT DEFAULT 'new'")
    Author.sqlmeta.addColumn(StringCol("note"))
    try:
        assert library.run(lambda: Author.get(1).note) == "new"
    finally:
        Author.sqlmeta.delColumn("note")
    assert library.run(name) == "Ada"


def test_an_added_column_is_noticed_without_any_commit(library):
    library.execute("ALTER TABLE author ADD COLUMN note TEXT DEFAULT 'new'")
    assert library.run(name) == "Ada"
    Author.sqlmeta.addColumn(StringCol("note"))
    try:
        assert library.run(lambda: Author.get(1).note) == "new"
    finally:
        Author.sqlmeta.delColumn("note")


def test_a_changed_table_is_noticed_without_any_commit(library):
    library.execute("CREATE TABLE writer AS SELECT * FROM author")
    library.execute("UPDATE writer SET name = 'Grace'")
    for _ in range(2):
        assert library.run(name) == "Ada"
    Author.sqlmeta.table = "writer"
    try:
        assert library.run(name) == "Grace"
    finally:
        Author.sqlmeta.table = "author"
    assert library.run(name) == "Ada"


@pytest.mark.engines(*KEEPING)
def test_a_reading_request_that_is_to_write_uses_no_kept_rows(library):
    """The engine would not see that it conflicts with who changes them."""
    for _ in range(3):
        library.run(name)
    # The threads of other tests have had theirs.
    gc.collect()
    hits = statistics().hits
    assert hits > 0
    assert library.run(writing(name)) == "Ada"
    assert statistics().hits == hits


@pytest.mark.engines(*KEEPING)
def test_an_answer_in_chunks_is_run_again_before_the_first_is_sent(library):
    changed = []

    def handler():
        first = Author.get(1).name
        if not changed:
            changed.append(library.execute("UPDATE author SET name = 'Grace'"))
        yield first
        yield f" {Novel.select().count()}"

    for _ in range(2):
        library.run(name)
    assert library.request(handler, "GET").data == b"Grace 3"


def test_a_commit_between_two_chunks_does_not_break_the_answer(library):
    def handler():
        yield Author.get(1).name
        library.execute("UPDATE author SET name = 'Grace'")
        yield f" {Novel.select().count()} {Author.get(1).name}"

    for _ in range(2):
        library.run(name)
    assert library.request(handler, "GET").data == b"Ada 3 Ada"
