"""Lists of kept rows: their ids are read, and the rows are not decoded again."""

import itertools
import threading

import pytest
from sqlobject import IntCol, SQLObject, StringCol, sqlhub
from sqlobject.sqlbuilder import DESC

from app.transactions import OutsideItsRequest
from tests.contract.internals import HELD, forget_kept_row, keeps_whole_list, sent_for
from tests.contract.library import MODELS, Author, Library, Novel, titles
from tests.contract.site import KEEPING

_numbers = itertools.count()


class Word(SQLObject):
    """Its index holds the ids in another order than the table."""

    text = StringCol(alternateID=True, length=20)
    size = IntCol(default=0)


class Code(SQLObject):
    """Its ids are text."""

    class sqlmeta:
        idType = str

    meaning = StringCol()


@pytest.fixture
def words(make_site):
    made = make_site(Library, cache_rows=100)
    Word.createTable(connection=made.connection)
    made.execute("CREATE TABLE code (id VARCHAR(20) PRIMARY KEY, meaning VARCHAR(20))")

    def fill():
        for number, text in enumerate(["pear", "fig", "apple", "olive", "fig, dried"]):
            Word(text=text, size=number % 3)
            Code(id=text, meaning=f"a {text}")

    made.run(fill, "POST")
    return made


@pytest.mark.engines(*KEEPING)
def test_a_list_of_kept_rows_is_one_query_without_a_transaction(library):
    sent = " ".join(sent_for(library, titles))
    assert "WITH webpy_found(" in sent
    assert sent.count("FROM novel") == 1
    assert "BEGIN" not in sent and "COMMIT" not in sent


SELECTS = {
    "unordered": {},
    "ordered": {"orderBy": "text"},
    "ordered with ties": {"orderBy": "size"},
    "ordered downwards": {"orderBy": DESC(Word.q.size)},
    "ordered by two": {"orderBy": ["-size", "text"]},
    "reversed": {"orderBy": "text", "reversed": True},
    "limited": {"orderBy": "-text", "limit": 3},
    "filtered": {"clause": Word.q.size > 0, "orderBy": "-text"},
    "filtered by text": {"clause": "word.text LIKE 'fig%' -- as a comment"},
    "with a semicolon": {"clause": "word.text <> ';'"},
    "ended": {"clause": "word.size > 0;"},
    "distinct": {"distinct": True, "orderBy": "text"},
    "joined": {"clause": "word.size = other.size", "clauseTables": ["word other"]},
    "of nothing": {"clause": Word.q.size > 9},
}


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("select", SELECTS)
def test_a_list_of_kept_rows_has_the_rows_of_its_query_in_their_order(words, select, begun):
    def listed():
        if begun:
            Word.select().count()
        found = Word.select(**SELECTS[select])
        return str(found), [(word.id, word.text, word.size) for word in found]

    answers = [words.run(listed) for _ in range(4)]
    expected = words.execute(answers[0][0])
    assert [rows for _, rows in answers] == [expected] * 4


def test_ids_that_are_no_integers_are_read_with_their_rows(words):
    for _ in range(4):
        assert words.run(lambda: [code.meaning for code in Code.select(orderBy="-id")]) == [
            "a pear", "a olive", "a fig, dried", "a fig", "a apple",
        ]  # fmt: skip


def test_a_list_of_kept_rows_is_new_after_another_process_has_committed(library):
    for number in range(5):
        for _ in range(4):
            assert library.run(titles)[0] == f"novel {number}"
        library.execute(f"UPDATE novel SET title = 'novel {number + 1}' WHERE id = 1")


def test_a_row_that_another_process_adds_or_deletes_is_in_the_next_list_or_not(library):
    for _ in range(4):
        library.run(titles)
    library.execute("INSERT INTO novel (title, author_id) VALUES ('added', 1)")
    for _ in range(4):
        assert library.run(titles) == ["novel 0", "novel 1", "novel 2", "added"]
    library.execute("DELETE FROM novel WHERE id = 2")
    for _ in range(4):
        assert library.run(titles) == ["novel 0", "novel 2", "added"]


@pytest.mark.engines(*KEEPING)
def test_a_list_is_whole_where_one_of_its_rows_is_not_kept(library):
    for _ in range(4):
        library.run(titles)
    library.run(lambda: forget_kept_row(Novel, 2))
    assert library.run(titles) == ["novel 0", "novel 1", "novel 2"]
    assert "WITH webpy_found(" in sent_for(library, titles)[0]


@pytest.mark.engines(*KEEPING)
def test_a_commit_between_a_list_and_the_next_query_has_the_request_run_again(library):
    runs = []

    def both():
        before = titles()
        if not runs:
            library.execute("UPDATE novel SET title = 'new' WHERE id = 1")
            library.execute("UPDATE author SET name = 'Grace'")
        runs.append(before[0])
        return before[0], Author.select(Author.q.name != "").count(), Author.get(1).name

    for _ in range(4):
        library.run(titles)
    assert library.run(both) == ("new", 1, "Grace")
    assert runs == ["novel 0", "new"]


def test_a_list_and_a_get_have_the_same_instances(library):
    def compared():
        first = Novel.get(2)
        listed = list(Novel.select(orderBy="id"))
        return first is listed[1], listed[0] is Novel.get(1), listed[2] is Author.get(1).novels[2]

    for _ in range(5):
        assert library.run(compared) == (True, True, True)


def test_what_a_handler_does_to_a_listed_instance_is_not_seen_by_the_next(library):
    def mark():
        for novel in Novel.select():
            novel.__dict__["_SO_val_title"] = "forged"
            novel.mark = "left"
            novel.sqlmeta.dirty = True

    def seen():
        return [
            (novel.title, hasattr(novel, "mark"), novel.sqlmeta.dirty)
            for novel in Novel.select(orderBy="id")
        ]

    for _ in range(4):
        library.run(titles)
    for _ in range(2):
        library.run(mark)
        assert library.run(seen) == [(f"novel {number}", False, False) for number in range(3)]


def test_an_instances_sqlmeta_is_its_own_and_the_classs_is_the_class(library):
    def metas():
        novels = list(Novel.select(orderBy="id"))
        assert [novel.sqlmeta.instance.id for novel in novels] == [1, 2, 3]
        assert all(novel.sqlmeta._perConnection for novel in novels)
        assert novels[0].sqlmeta.asDict()["title"] == "novel 0"
        return Novel.sqlmeta.table, Novel.sqlmeta is type(novels[0].sqlmeta)

    for _ in range(4):
        assert library.run(metas) == ("novel", True)


def test_a_class_derived_after_its_base_was_kept_has_its_own_sqlmeta(library):
    library.run(titles)
    name = f"Derived{next(_numbers)}"
    derived = type(name, (Novel,), {"__module__": __name__, "note": StringCol(default=None)})
    assert "note" in derived.sqlmeta.columns
    assert "note" not in Novel.sqlmeta.columns
    assert derived.sqlmeta.table == name.lower()


def test_a_list_that_outlives_its_request_or_thread_fails_loudly(library):
    for _ in range(4):
        library.run(titles)
    leaked = library.run(lambda: Novel.select(connection=sqlhub.threadConnection))
    with pytest.raises(OutsideItsRequest):
        list(leaked)

    def in_another_thread():
        select, errors = Novel.select(connection=sqlhub.threadConnection), []

        def use():
            try:
                list(select)
            except OutsideItsRequest as error:
                errors.append(error)

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        return len(errors), titles()[0]

    assert library.run(in_another_thread) == (1, "novel 0")


def test_an_error_in_a_list_of_kept_rows_is_that_of_its_query(library):
    def fails():
        return list(Novel.select("no_such_column = 1"))

    for _ in range(4):
        library.run(titles)
    library.run(fails)
    assert library.status.startswith("500")
    assert library.run(titles)[0] == "novel 0"


@pytest.mark.engines(*KEEPING)
def test_the_models_that_the_tests_share_keep_their_rows(library):
    """Otherwise the tests above would show nothing."""
    for _ in range(4):
        library.run(titles)
    assert Novel in MODELS and library.run(lambda: keeps_whole_list(Novel))


class Found(SQLObject):
    what = StringCol()


def test_a_list_has_the_same_instances_beyond_the_number_that_is_held(words, monkeypatch):
    monkeypatch.setattr(HELD, 3)

    def compared():
        first = list(Word.select())
        return all(one is other for one, other in zip(first, Word.select(), strict=True))

    for _ in range(4):
        assert words.run(compared)


def test_a_list_of_a_table_whose_name_is_one_of_ours(words):
    check_found(words, None)


# The servers refuse it.
@pytest.mark.engines("sqlite")
def test_a_list_of_a_query_with_a_comment_without_an_end(words):
    check_found(words, "1 /* a comment without an end")


def check_found(words, clause):
    Found.createTable(connection=words.connection)
    words.run(lambda: Found(what="a key"), "POST")

    def listed():
        Word.select().count()
        return [found.what for found in Found.select(clause)]

    for _ in range(4):
        assert words.run(listed) == ["a key"]
