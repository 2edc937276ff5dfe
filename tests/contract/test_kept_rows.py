"""Rows kept between reading requests: which queries they save, and how many they are."""

import os
import random
from pathlib import Path

import pytest

from app.transactions import statistics
from app.transactions.row_cache import LONGEST_PAUSE
from tests.contract.internals import kept_rows, raw_connection, sent_for, watched
from tests.contract.library import LIMIT, Author, Library, Novel, name, titles
from tests.contract.site import ENGINES, KEEPING

pytestmark = pytest.mark.engines(*KEEPING)


def test_a_row_that_was_read_is_not_read_again_by_the_next_request(library):
    assert library.counted(name) == ("Ada", 1)
    assert library.counted(name) == ("Ada", 0)
    assert library.counted(lambda: Author.get(1).born.year) == (1815, 0)


LOOK_AT_TOKEN = {"sqlite": "PRAGMA data_version", "postgres": "EXECUTE webpy_token"}


def test_a_request_that_reads_kept_rows_only_looks_at_the_token_and_begins_nothing(library):
    look = LOOK_AT_TOKEN[library.connection.dbName]
    assert sent_for(library, lambda: name() + Novel.get(1).title) == [look]


def test_a_request_that_fails_after_kept_rows_were_used_drops_them(library):
    def fails():
        name()
        raise ZeroDivisionError

    for _ in range(3):
        library.run(name)
    library.run(fails)
    assert library.counted(name) == ("Ada", 1)


def test_a_thread_that_reads_less_often_than_others_commit_seldom_looks_at_the_token(library):
    raw = library.run(raw_connection)
    with watched(library.connection, raw) as sent:
        for number in range(100):
            library.execute(f"UPDATE author SET name = '{number}'")
            assert library.run(name) == str(number)
    assert sum("data_version" in text or "snapshot" in text for text in sent) < 30
    for _ in range(LONGEST_PAUSE):
        library.run(name)
    assert library.run(name) == "99"
    assert library.counted(name) == ("99", 0)


def test_a_list_sends_its_query_and_no_other(library):
    assert library.counted(titles) == (["novel 0", "novel 1", "novel 2"], 1)
    assert library.counted(titles) == (["novel 0", "novel 1", "novel 2"], 1)
    assert library.counted(lambda: Novel.get(2).title) == ("novel 1", 0)


@pytest.mark.parametrize("join", ["novels", "novels_query"])
def test_joined_rows_are_kept(library, join):
    def joined():
        return [novel.author.name + novel.title for novel in getattr(Author.get(1), join)]

    first, _ = library.counted(joined)
    again, queries = library.counted(joined)
    assert first == again == ["Adanovel 0", "Adanovel 1", "Adanovel 2"]
    assert queries == 1


def test_a_request_that_fails_drops_the_rows(library):
    def fails():
        name()
        raise ZeroDivisionError

    library.run(name)
    library.run(fails)
    assert library.counted(name) == ("Ada", 1)


def test_the_oldest_rows_go_first_and_the_number_is_bounded(library):
    values = ", ".join(f"('novel {number}', 1)" for number in range(3, 3 * LIMIT))
    library.execute(f"INSERT INTO novel (title, author_id) VALUES {values}")
    for number in range(1, 2 * LIMIT + 1):
        library.run(lambda number=number: Novel.get(number).title)
    assert library.counted(lambda: Novel.get(2 * LIMIT).title)[1] == 0
    assert library.counted(lambda: Novel.get(LIMIT + 1).title)[1] == 0
    assert library.counted(lambda: Novel.get(1).title)[1] == 1
    assert library.run(kept_rows) == LIMIT


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.engines("sqlite")
def test_memory_stays_flat_over_many_reads_of_a_table_larger_than_the_bound(library):
    """As `scripts/benchmark --memory` shows of 1,000,000."""
    rows, each = 20_000, 500
    library.execute(
        "INSERT INTO novel (title, pages, author_id) WITH RECURSIVE numbers (n) AS "
        f"(SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows - 1}) "
        "SELECT 'a novel with number ' || n, n, 1 FROM numbers"
    )
    choice = random.Random(1)

    def read():
        return sum(len(Novel.get(id).title) for id in choice.sample(range(1, rows), each))

    for _ in range(10):
        library.run(read)
    before = resident_bytes()
    for _ in range(250_000 // each):
        library.run(read)
    assert resident_bytes() - before < 3_000_000


def test_the_statistics_count_hits_misses_drops_and_size(library):
    before = statistics()
    for _ in range(4):
        library.run(name)
    after = statistics()
    # PostgreSQL's token comes along with a query, until it was once the same.
    misses, hits = (1, 3) if library.connection.dbName == "sqlite" else (2, 2)
    assert (after.misses - before.misses, after.hits - before.hits) == (misses, hits)
    assert after.size - before.size == 1
    library.execute("UPDATE author SET name = 'Grace'")
    library.run(name)
    assert statistics().drops - before.drops == 1


@pytest.mark.engines(*ENGINES)
def test_without_the_option_every_request_reads_for_itself(make_site):
    library = make_site(Library, cache_rows=0)
    for _ in range(3):
        assert library.counted(name) == ("Ada", 1)


# It has no snapshot token that is cheap and sound.
@pytest.mark.engines("mariadb")
def test_on_mariadb_every_request_reads_for_itself(library):
    for _ in range(3):
        assert library.counted(name) == ("Ada", 1)


@pytest.mark.engines(*ENGINES)
def test_a_writing_request_reads_for_itself(library):
    for _ in range(2):
        library.run(name)
        assert library.counted(name, "POST") == ("Ada", 1)
