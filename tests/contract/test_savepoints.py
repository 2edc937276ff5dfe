"""What a savepoint's rollback leaves of the instances that the handler holds."""

import contextlib

import pytest
import web
from sqlobject import IntCol, SQLObject, StringCol, dberrors, sqlhub

from app.transactions import in_transaction, on_commit, savepoint
from tests.contract.site import SERVERS, Entry, add
from tests.servers import session


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


def test_a_row_created_in_the_block_is_not_there_after_its_rollback(site):
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


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("error", [lambda: web.seeother("/there"), web.notfound, web.notmodified])
def test_what_a_block_left_by_an_http_error_below_500_did_stays(site, error, depth):
    called = []

    def handler():
        Entry(name="before")
        with contextlib.ExitStack() as stack:
            for _ in range(depth):
                stack.enter_context(savepoint())
            Entry(name="inside")
            on_commit(lambda: called.append(1))
            raise error()

    assert site.request(handler).status[0] in "34"
    assert site.names() == ["a", "b", "before", "inside"]
    assert called == [1]


@pytest.mark.parametrize("error", [web.internalerror, lambda: web.HTTPError("503 Busy"), KeyError])
def test_a_block_left_by_any_other_error_is_undone(site, error):
    def handler():
        Entry(name="before")
        with contextlib.suppress(KeyError, web.HTTPError), savepoint():
            Entry(name="inside")
            raise error()
        web.ctx.status = "200 OK"

    site.request(handler)
    assert site.names() == ["a", "b", "before"]


def test_a_block_in_which_an_error_was_caught_is_undone_by_an_http_error_below_500(site):
    def handler():
        Entry(name="before")
        with savepoint():
            Entry(name="inside")
            try:
                Entry(name="a")
            except dberrors.DuplicateEntryError:
                raise web.conflict() from None

    assert site.request(handler).status.startswith("409")
    assert site.names() == ["a", "b", "before"]


@contextlib.contextmanager
def lock(site):
    """Hold the lock of the first Entry's row in another session."""
    raw = session(site.server, site.database)
    raw.cursor().execute("SELECT * FROM entry WHERE name = 'a' FOR UPDATE")
    yield
    raw.rollback()
    raw.close()


def query(text):
    sqlhub.threadConnection.query(text)


# Statements that another transaction can block, by the engine.
EXPECTED = {
    "FOR UPDATE NOWAIT": lambda: query("SELECT * FROM entry WHERE name = 'a' FOR UPDATE NOWAIT"),
    "lock timeout": lambda: query("UPDATE entry SET number = 1 WHERE name = 'a'"),
    "table": lambda: query("CREATE TEMPORARY TABLE mine (n INT)"),
}


@pytest.fixture
def in_the_way(make_site):
    """A site whose row is locked; requests wait a short time for it, on MariaDB a second."""
    made = make_site(timeout=0.05, attempts=3, models=(Entry, Draft))
    made.request(add("a"))
    with lock(made):
        yield made


def expected_failure(kind):
    if kind == "table":
        EXPECTED[kind]()
    EXPECTED[kind]()


@pytest.mark.engines(*SERVERS)
@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("ending", ["returns", "redirects", "409 raised", "409 set"])
def test_what_is_in_the_way_reaches_a_handler_with_a_savepoint_once(in_the_way, kind, ending):
    runs = []

    def handler():
        runs.append(1)
        Entry(name="mine")
        try:
            with savepoint():
                Entry(name="undone")
                expected_failure(kind)
        except dberrors.Error:
            if ending == "redirects":
                raise web.seeother("/busy") from None
            if ending == "409 raised":
                raise web.conflict() from None
            if ending == "409 set":
                web.ctx.status = "409 Conflict"
        return "busy"

    answer = in_the_way.request(handler)
    expected = {"returns": "200", "redirects": "303"}.get(ending, "409")
    assert answer.status.startswith(expected)
    assert runs == [1]
    assert in_the_way.names() == ["a", "mine"]


@pytest.mark.engines(*SERVERS)
@pytest.mark.parametrize("kind", ["FOR UPDATE NOWAIT", "lock timeout"])
@pytest.mark.parametrize("around", [contextlib.nullcontext, savepoint])
def test_what_is_in_the_way_and_not_caught_has_the_request_run_again(in_the_way, kind, around):
    runs = []

    def handler():
        runs.append(1)
        Entry(name="mine")
        with around():
            expected_failure(kind)

    assert in_the_way.request(handler).status.startswith("503")
    assert runs == [1, 1, 1]
    assert in_the_way.names() == ["a"]


@pytest.mark.engines(*SERVERS)
def test_what_is_in_the_way_in_an_inner_savepoint_is_caught_by_an_outer_one(in_the_way):
    def handler():
        with contextlib.suppress(dberrors.Error), savepoint():
            Entry(name="outer")
            with savepoint():
                expected_failure("FOR UPDATE NOWAIT")
        Entry(name="after")
        return "busy"

    assert in_the_way.request(handler).data == b"busy"
    assert in_the_way.names() == ["a", "after"]


@pytest.mark.engines(*SERVERS)
def test_what_is_in_the_way_reaches_in_transaction_with_a_savepoint_once(in_the_way):
    runs = []

    def work():
        runs.append(1)
        with contextlib.suppress(dberrors.Error), savepoint():
            expected_failure("FOR UPDATE NOWAIT")
        Entry(name="after")

    in_transaction(work, connection=in_the_way.connection)
    assert runs == [1]
    assert in_the_way.names() == ["a", "after"]
