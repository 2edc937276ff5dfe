"""The coherent cache on SQLite: what is kept between reading requests, and what never is."""

import datetime
import os
import random
import sqlite3
import threading
from pathlib import Path

import pytest
import web
from sqlobject import (
    DateTimeCol,
    ForeignKey,
    IntCol,
    MultipleJoin,
    PickleCol,
    SQLMultipleJoin,
    SQLObject,
    StringCol,
    sqlhub,
)
from sqlobject.sqlbuilder import func
from sqlobject.views import ViewSQLObject

from app.transactions.processor import transaction_per_request
from app.transactions.request import OutsideItsRequest
from app.transactions.row_cache import LONGEST_PAUSE, statistics

LIMIT = 50


class Author(SQLObject):
    name = StringCol()
    born = DateTimeCol(default=None)
    novels = MultipleJoin("Novel")
    novels_query = SQLMultipleJoin("Novel")


class Novel(SQLObject):
    title = StringCol()
    pages = IntCol(default=0)
    author = ForeignKey("Author")


class Lazy(SQLObject):
    class sqlmeta:
        lazyUpdate = True

    name = StringCol()


class Pickled(SQLObject):
    data = PickleCol()


class OwnWay(SQLObject):
    name = StringCol()

    def _init(self, *args, **kw):
        super()._init(*args, **kw)
        self.extra = "made by _init"


MODELS = (Author, Novel, Lazy, Pickled, OwnWay)


class Site:
    """Runs functions as reading or writing requests on a database of its own."""

    def __init__(self, path):
        self.path = path
        processor = transaction_per_request(f"sqlite://{path}", cache_rows=LIMIT)
        processor()
        for model in MODELS:
            model.createTable()
        Author(name="Ada", born=datetime.datetime(1815, 12, 10))
        for number in range(3):
            Novel(title=f"novel {number}", author=1)
        Lazy(name="lazy")
        Pickled(data=["a"])
        OwnWay(name="own")
        del sqlhub.processConnection
        self.queries = []
        site = self

        class Handler:
            def GET(self):
                return site.function()

            POST = GET

        self.app = web.application(("/", Handler))
        self.app.internalerror = web.webapi._InternalError
        self.app.add_processor(processor)

    def run(self, function, method="GET"):
        """Return what `function` returns in a request; the answer's status is kept."""
        result = []
        self.function = lambda: result.append(function())
        self.status = self.app.request("/", method=method).status
        return result[-1] if result else None

    def counted(self, function):
        """Run `function` in a reading request; return (its result, queries sent)."""

        def counting():
            raw = sqlhub.threadConnection._connection
            sqlhub.threadConnection.kept_rows()
            queries = []
            raw.set_trace_callback(queries.append)
            try:
                return function(), len(queries)
            finally:
                raw.set_trace_callback(None)

        return self.run(counting)

    def change(self, query):
        """Change the database as another process would."""
        with sqlite3.connect(self.path) as another:
            another.execute(query)
        another.close()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "site.db")


def name():
    return Author.get(1).name


def titles():
    return [novel.title for novel in Novel.select(orderBy="id")]


def test_a_row_that_was_read_is_not_read_again_by_the_next_request(site):
    assert site.counted(name) == ("Ada", 1)
    assert site.counted(name) == ("Ada", 0)
    assert site.counted(lambda: Author.get(1).born.year) == (1815, 0)


def test_a_change_by_another_process_is_seen_at_once(site):
    assert site.run(name) == "Ada"
    site.change("UPDATE author SET name = 'Grace'")
    assert site.counted(name) == ("Grace", 1)


def test_a_change_by_the_same_thread_is_seen_at_once(site):
    assert site.run(name) == "Ada"
    site.run(lambda: Author.get(1).set(name="Grace"), "POST")
    assert site.run(name) == "Grace"


def test_a_change_in_a_get_is_seen_at_once_by_it_and_by_the_next(site):
    def rename():
        author = Author.get(1)
        author.name = "Grace"
        return author.name

    assert site.run(name) == "Ada"
    assert site.run(rename) == "Grace"
    assert site.run(name) == "Grace"


def test_a_change_that_is_rolled_back_is_not_seen(site):
    def fails():
        Author.get(1).name = "Grace"
        raise ZeroDivisionError

    assert site.run(name) == "Ada"
    for method in ("GET", "POST"):
        site.run(fails, method)
        assert site.status.startswith("500")
        assert site.run(name) == "Ada"


def test_a_deleted_row_is_gone(site):
    site.run(titles)
    site.change("DELETE FROM novel WHERE id = 2")
    assert site.run(titles) == ["novel 0", "novel 2"]
    assert site.run(lambda: [novel.title for novel in Author.get(1).novels]) == [
        "novel 0",
        "novel 2",
    ]


def statements(site, function, times):
    """The statements that each of the last two of `times` reading requests sends."""
    raw = site.run(lambda: sqlhub.threadConnection._connection)
    sent = []
    raw.set_trace_callback(sent.append)
    for _ in range(times):
        sent.append("request")
        site.run(function)
    raw.set_trace_callback(None)
    return " ".join(sent).split("request ")[-2:]


def test_a_request_that_reads_kept_rows_only_looks_at_the_token_and_begins_nothing(site):
    peeked = statements(site, lambda: (name(), Novel.get(1).title), 4)
    assert [sent.strip() for sent in peeked] == ["PRAGMA data_version"] * 2


def test_a_commit_after_kept_rows_were_used_has_the_request_run_again(site):
    """Else it would answer with rows of two instants."""
    runs = []

    def both():
        before = name()
        if not runs:
            site.change("UPDATE author SET name = 'Grace'")
            site.change("UPDATE novel SET title = 'new'")
        runs.append(before)
        return before, titles()[0]

    for _ in range(3):
        assert site.run(name) == "Ada"
    assert site.run(both) == ("Grace", "new")
    assert runs == ["Ada", "Grace"]


def test_a_write_after_kept_rows_were_used_is_made_on_what_is_there_now(site):
    runs = []

    def append():
        author = Author.get(1)
        before = author.name
        if not runs:
            site.change("UPDATE author SET name = 'Grace'")
        runs.append(before)
        author.name = before + "!"

    for _ in range(3):
        site.run(name)
    site.run(append)
    assert site.run(name) == "Grace!"


def test_a_request_that_fails_after_kept_rows_were_used_drops_them(site):
    def fails():
        name()
        raise ZeroDivisionError

    for _ in range(3):
        site.run(name)
    site.run(fails)
    assert site.counted(name) == ("Ada", 1)


def test_a_thread_that_reads_less_often_than_others_commit_seldom_looks_at_the_token(site):
    raw = site.run(lambda: sqlhub.threadConnection._connection)
    sent = []
    raw.set_trace_callback(sent.append)
    for number in range(100):
        site.change(f"UPDATE author SET name = '{number}'")
        assert site.run(name) == str(number)
    raw.set_trace_callback(None)
    assert sent.count("PRAGMA data_version") < 30
    for _ in range(LONGEST_PAUSE):
        site.run(name)
    assert site.run(name) == "99"
    assert site.counted(name) == ("99", 0)


def test_a_list_sends_its_query_and_no_other(site):
    assert site.counted(titles) == (["novel 0", "novel 1", "novel 2"], 1)
    assert site.counted(titles) == (["novel 0", "novel 1", "novel 2"], 1)
    assert site.counted(lambda: Novel.get(2).title) == ("novel 1", 0)


@pytest.mark.parametrize("join", ["novels", "novels_query"])
def test_joined_rows_are_kept(site, join):
    def joined():
        return [novel.author.name + novel.title for novel in getattr(Author.get(1), join)]

    first, _ = site.counted(joined)
    again, queries = site.counted(joined)
    assert first == again == ["Adanovel 0", "Adanovel 1", "Adanovel 2"]
    assert queries == 1


def test_one_row_is_one_instance_within_a_request_and_another_in_the_next(site):
    def instances():
        return [Novel.get(1), next(iter(Novel.select())), Author.get(1).novels[0]]

    for _ in range(2):
        first = site.run(instances)
        assert first[0] is first[1] is first[2]
    assert site.run(instances)[0] is not first[0]


def test_an_attribute_set_by_a_handler_is_not_seen_by_the_next(site):
    def mark():
        author = Author.get(1)
        author.mark = "left"
        author.__dict__["_SO_val_name"] = "forged"

    site.run(name)
    site.run(mark)
    assert site.run(lambda: (name(), hasattr(Author.get(1), "mark"))) == ("Ada", False)


def test_an_unsynced_lazy_update_is_not_seen_by_the_next(site):
    def rename():
        lazy = Lazy.get(1)
        lazy.name = "renamed"
        return lazy.name

    assert site.run(lambda: Lazy.get(1).name) == "lazy"
    assert site.run(rename) == "renamed"
    assert site.run(lambda: Lazy.get(1).name) == "lazy"


def test_a_value_that_can_be_changed_in_place_is_not_kept(site):
    site.run(lambda: Pickled.get(1).data.append("b"))
    assert site.run(lambda: Pickled.get(1).data) == ["a"]


def test_a_class_that_loads_in_its_own_way_does_so_in_every_request(site):
    for _ in range(2):
        assert site.counted(lambda: OwnWay.get(1).extra) == ("made by _init", 1)


def test_a_changed_column_list_is_noticed(site):
    assert site.run(name) == "Ada"
    site.change("ALTER TABLE author ADD COLUMN note TEXT DEFAULT 'new'")
    Author.sqlmeta.addColumn(StringCol("note"))
    try:
        assert site.run(lambda: Author.get(1).note) == "new"
    finally:
        Author.sqlmeta.delColumn("note")
    assert site.run(name) == "Ada"


def test_an_added_column_is_noticed_without_any_commit(site):
    site.change("ALTER TABLE author ADD COLUMN note TEXT DEFAULT 'new'")
    assert site.run(name) == "Ada"
    Author.sqlmeta.addColumn(StringCol("note"))
    try:
        assert site.run(lambda: Author.get(1).note) == "new"
    finally:
        Author.sqlmeta.delColumn("note")


def test_an_instance_from_a_kept_row_fails_loudly_outside_its_request_and_thread(site):
    site.run(name)
    leaked = site.run(lambda: Author.get(1))
    with pytest.raises(OutsideItsRequest):
        leaked.name  # noqa: B018

    def in_another_thread():
        author, errors = Author.get(1), []

        def use():
            try:
                author.name  # noqa: B018
            except OutsideItsRequest as error:
                errors.append(error)

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        return len(errors)

    assert site.run(in_another_thread) == 1


def test_a_kept_row_can_be_synced_expired_and_changed_like_any_other(site):
    def use():
        author = Author.get(1)
        author.sync()
        author.expire()
        return author.name, repr(author)

    site.run(name)
    assert site.run(use)[0] == "Ada"
    site.run(lambda: Author.get(1).set(name="Grace"), "GET")
    assert site.run(name) == "Grace"


def test_a_request_that_fails_drops_the_rows(site):
    def fails():
        name()
        raise ZeroDivisionError

    site.run(name)
    site.run(fails)
    assert site.counted(name) == ("Ada", 1)


def test_the_oldest_rows_go_first_and_the_number_is_bounded(site):
    for number in range(3, 3 * LIMIT):
        site.change(f"INSERT INTO novel (title, author_id) VALUES ('novel {number}', 1)")
    for number in range(1, 2 * LIMIT + 1):
        site.run(lambda number=number: Novel.get(number).title)
    assert site.counted(lambda: Novel.get(2 * LIMIT).title)[1] == 0
    assert site.counted(lambda: Novel.get(LIMIT + 1).title)[1] == 0
    assert site.counted(lambda: Novel.get(1).title)[1] == 1
    raw = site.run(lambda: sqlhub.threadConnection._connection)
    assert len(raw.rows) == LIMIT


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(600)
def test_memory_stays_flat_over_a_million_reads_of_a_table_larger_than_the_bound(site):
    rows, each = 20_000, 500
    with sqlite3.connect(site.path) as raw:
        titles = ((f"a novel with number {number}", number) for number in range(rows))
        raw.executemany("INSERT INTO novel (title, pages, author_id) VALUES (?, ?, 1)", titles)
    raw.close()
    choice = random.Random(1)

    def read():
        return sum(len(Novel.get(id).title) for id in choice.sample(range(1, rows), each))

    for _ in range(10):
        site.run(read)
    before = resident_bytes()
    for _ in range(1_000_000 // each):
        site.run(read)
    assert resident_bytes() - before < 3_000_000


def test_the_statistics_count_hits_misses_drops_and_size(site):
    before = statistics()
    site.run(name)
    site.run(name)
    after = statistics()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 1)
    assert after.size - before.size == 1
    site.change("UPDATE author SET name = 'Grace'")
    site.run(name)
    assert statistics().drops - before.drops == 1


def test_without_the_option_every_request_reads_for_itself(tmp_path):
    site = Site(tmp_path / "site.db")
    processor = transaction_per_request(f"sqlite://{site.path}")
    site.app.processors.pop()
    site.app.add_processor(processor)
    for _ in range(2):
        assert site.counted(name) == ("Ada", 1)


def test_a_writing_request_reads_for_itself(site):
    site.run(name)

    def writing():
        raw = sqlhub.threadConnection._connection
        queries = []
        raw.set_trace_callback(queries.append)
        name()
        raw.set_trace_callback(None)
        return len(queries)

    assert site.run(writing, "POST") == 1


def test_instances_that_nobody_holds_can_go_within_a_request(site, monkeypatch):
    """As with SQLObject's own cache; one that is held stays the only one of its row."""
    monkeypatch.setattr("app.transactions.identity_map.HELD", 2)

    def read_all():
        first = Novel.get(1)
        for number in (2, 3, 2, 3):
            Novel.get(number)
        held = sqlhub.threadConnection.cache.getAll(Novel)
        return first is Novel.get(1), len(held)

    for _ in range(2):
        same, held = site.run(read_all)
        assert same
        assert held <= 3


def test_an_answer_in_chunks_is_run_again_before_the_first_is_sent(site):
    changed = []

    def handler():
        first = Author.get(1).name
        if not changed:
            changed.append(site.change("UPDATE author SET name = 'Grace'"))
        yield first
        yield f" {Novel.select().count()}"

    for _ in range(2):
        site.run(name)
    site.function = handler
    assert site.app.request("/").data == b"Grace 3"


def test_a_commit_between_two_chunks_does_not_break_the_answer(site):
    def handler():
        yield Author.get(1).name
        site.change("UPDATE author SET name = 'Grace'")
        yield f" {Novel.select().count()} {Author.get(1).name}"

    for _ in range(2):
        site.run(name)
    site.function = handler
    assert site.app.request("/").data == b"Ada 3 Ada"


class OwnNew(SQLObject):
    name = StringCol(default="")

    def __new__(cls, *args, **kw):
        made = super().__new__(cls)
        made.extra = "made by __new__"
        return made


class OwnGet(SQLObject):
    """Its `get` is no method, and what it gives is not the instance."""

    name = StringCol(default="")

    @staticmethod
    def get(id, connection=None, selectResults=None):
        return "own", SQLObject.get.__func__(OwnGet, id, connection, selectResults).id


class Columnless(SQLObject):
    pass


@pytest.mark.parametrize(
    "model, seen",
    [
        (OwnNew, lambda made: made.extra == "made by __new__"),
        (OwnGet, lambda made: made == ("own", 1)),
        (Columnless, lambda made: made.id == 1),
    ],
)
def test_a_class_with_ways_of_its_own_is_loaded_in_them(site, model, seen):
    def make():
        model.createTable()
        sqlhub.threadConnection.query(f"INSERT INTO {model.sqlmeta.table} (id) VALUES (1)")

    def used():
        return [seen(model.get(1)), *map(seen, model.select()), *map(seen, model.select())]

    site.run(make, "POST")
    for _ in range(4):
        assert site.run(used) == [True, True, True]


class NovelView(ViewSQLObject):
    class sqlmeta:
        idName = Author.q.id
        clause = Author.q.id == Novel.q.authorID

    longest = IntCol(dbName=func.MAX(Novel.q.pages))


def test_a_row_of_a_view_of_sqlobject_s_is_read_by_its_id(site):
    for _ in range(3):
        assert site.run(lambda: NovelView.get(1).longest) == 0
