"""What a savepoint's rollback leaves of the instances that the handler holds."""

import pytest
from sqlobject import IntCol, SQLObject, StringCol, dberrors

from app.transactions import on_commit, savepoint
from tests.contract.site import Entry


class Draft(SQLObject):
    class sqlmeta:
        lazyUpdate = True

    text = StringCol()
    number = IntCol(default=0)


@pytest.fixture
def site(make_site):
    made = make_site(models=(Entry, Draft))

    def fill():
        for name in ("a", "b"):
            Entry(name=name)
            Draft(text=name)

    made.request(fill)
    return made


def fail_with(change):
    """Call `change` in a savepoint and have a duplicate undo it."""
    with pytest.raises(dberrors.DuplicateEntryError), savepoint():
        change()
        Entry(name="b")


def test_an_instance_shows_its_row_after_each_of_several_rollbacks(site):
    def handler():
        entry = Entry.get(1)
        for number in (1, 2, 3):
            fail_with(lambda number=number: entry.set(number=number))
            assert entry.number == 0
        entry.expire()
        fail_with(lambda: entry.set(number=4))
        return str(entry.number)

    assert site.request(handler).data == b"0"


def test_an_instance_is_that_of_its_row_after_a_rollback(site):
    def handler():
        entry = Entry.get(1)
        fail_with(entry.destroySelf)
        assert Entry.get(1) is entry
        Entry.get(1).number = 7
        return str(entry.number)

    assert site.request(handler).data == b"7"


def test_a_row_made_in_the_block_is_not_there_after_its_rollback(site):
    def handler():
        fail_with(lambda: Entry(name="c"))
        return str([entry.name for entry in Entry.select()])

    assert site.request(handler).data == b"['a', 'b']"


def test_what_was_not_sent_before_the_block_is_sent_after_its_rollback(site):
    def handler():
        draft = Draft.get(1)
        draft.text = "before"
        fail_with(lambda: setattr(draft, "text", "inside"))
        assert draft.text == "before"
        draft.syncUpdate()
        return draft.text

    assert site.request(handler).data == b"before"
    assert site.execute("SELECT text FROM draft ORDER BY id") == [("before",), ("b",)]


def test_what_a_block_that_is_undone_gives_to_on_commit_is_not_called(site):
    called = []

    def handler():
        on_commit(lambda: called.append("before"))
        fail_with(lambda: on_commit(lambda: called.append("inside")))
        on_commit(lambda: called.append("after"))
        return ""

    site.request(handler)
    assert called == ["before", "after"]


def test_a_savepoint_lets_a_handler_go_on_after_an_error_it_expects(site):
    def handler():
        mine = Entry(name="c", number=1)
        try:
            with savepoint():
                mine.number = 2
                Entry(name="a")
        except dberrors.DuplicateEntryError:
            return str(mine.number)

    assert site.request(handler).data == b"1"
    assert site.names() == ["a", "b", "c"]


def test_a_savepoint_inside_a_savepoint_undoes_its_own_writes_only(site):
    def handler():
        with savepoint():
            Entry(name="outer")
            try:
                with savepoint():
                    Entry(name="inner")
                    Entry(name="outer")
            except dberrors.DuplicateEntryError:
                pass
        Entry(name="after")

    site.request(handler)
    assert site.names() == ["a", "b", "outer", "after"]
