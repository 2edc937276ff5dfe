"""web.py's sessions: changed and saved once, by the run that counts, in every store."""

import os
import shutil
import uuid
from functools import partial

import pytest
import web
from sqlobject import sqlhub

from app.transactions import (
    doom,
    in_transaction,
    no_transaction,
    on_commit,
    on_rollback,
    reading,
    runs,
)
from tests.contract.busy import Busy
from tests.contract.internals import forget_saved_sessions, is_writing
from tests.contract.site import Entry, add, in_threads
from tests.contract.visitor import OF_MODELS, STORES, SiteWithSessions, Visitor

ELSEWHERE = ("disk", "shelf", "memory", "db")

each_place = pytest.mark.parametrize("place", ["before", "after"])
each_store = pytest.mark.parametrize("store", STORES)
# A store that pickles, one that does not, one in the way, one inside the transaction.
each_kind = pytest.mark.parametrize("store", ["disk", "memory", "same-db", "models"])
each_of_models = pytest.mark.parametrize("store", OF_MODELS)


@pytest.fixture
def make_visitor(make_site, tmp_path, monkeypatch):
    """Create a Visitor whose site stores its sessions in `store`; it has a session already."""

    def make(store, place, **options):
        site = make_site(SiteWithSessions, folder=tmp_path, store=store, place=place, **options)
        monkeypatch.setattr(sqlhub, "processConnection", site.connection, raising=False)
        visitor = Visitor(site)
        visitor.request(lambda: "hello")
        assert visitor.cookie
        return visitor

    return make


def count_and_write(session, runs):
    """A handler that counts, and then writes: a GET is run again because of that."""

    def handler():
        runs.append(1)
        session.count += 1
        session.cart.append("item")
        Entry(name=f"entry {session.count}")
        return "counted"

    return handler


@each_place
@each_store
def test_a_get_that_counts_counts_by_one_though_it_is_run_twice(make_visitor, store, place):
    visitor = make_visitor(store, place)
    runs = []
    for expected in (1, 2, 3):
        handler = count_and_write(visitor.site.session, runs)
        assert visitor.request(handler).data == b"counted"
        assert visitor.get("count") == expected
        assert visitor.get("cart") == ["item"] * expected
    assert len(runs) >= 6


@each_place
@each_kind
def test_a_get_that_only_counts_counts_by_one(make_visitor, store, place):
    visitor = make_visitor(store, place)
    session = visitor.site.session

    def handler():
        session.count += 1
        return str(session.count)

    for expected in (b"1", b"2", b"3"):
        assert visitor.request(handler).data == expected


@each_place
@pytest.mark.parametrize("store", ELSEWHERE)
def test_a_cart_under_conflicts_has_the_right_number_of_items(make_visitor, store, place):
    visitor = make_visitor(store, place, timeout=0.01)
    session = visitor.site.session
    busy = Busy(visitor.site)
    seen = []

    def handler():
        busy.impatient(sqlhub.threadConnection)
        session.cart.append("item")
        seen.append(list(session.cart))
        if len(seen) == 3:
            busy.release()
        Entry(name="a")
        return "added"

    assert visitor.request(handler, "POST").data == b"added"
    assert seen == [["item"]] * 3
    assert visitor.get("cart") == ["item"]


@each_place
def test_what_has_no_pickle_is_put_back_as_well(make_visitor, place):
    visitor = make_visitor("memory", place, timeout=0.01)
    session = visitor.site.session
    visitor.request(lambda: setattr(session, "function", lambda: None))
    busy = Busy(visitor.site)
    seen = []

    def handler():
        busy.impatient(sqlhub.threadConnection)
        session.cart.append("item")
        seen.append(list(session.cart))
        if len(seen) == 3:
            busy.release()
        Entry(name="a")
        return "added"

    assert visitor.request(handler, "POST").data == b"added"
    assert seen == [["item"]] * 3
    assert visitor.get("cart") == ["item"]


def test_parallel_requests_of_a_visitor_lose_nothing_in_a_store_of_models(make_visitor):
    visitor = make_visitor("models", "after", attempts=1000, retry_seconds=60)
    session = visitor.site.session

    def handler():
        session.cart.append("item")
        return "added"

    def five_times():
        mine = Visitor(visitor.site)
        mine.cookie = visitor.cookie
        return [mine.request(handler, "POST").data for _ in range(5)]

    assert in_threads(*[five_times] * 3) == [[b"added"] * 5] * 3
    assert len(visitor.get("cart")) == 15


# The next two are from web.py's cookbook.
def csrf_token(session):
    if "csrf_token" not in session:
        session.csrf_token = uuid.uuid4().hex
    return session.csrf_token


def checked(session, token):
    if token != session.pop("csrf_token", None):
        raise web.HTTPError("400 Bad request", {}, "forged, or sent twice")


@each_place
@each_store
def test_the_cookbook_s_csrf_check_passes_in_a_second_run(make_visitor, store, place):
    visitor = make_visitor(store, place)
    session = visitor.site.session
    token = visitor.request(lambda: csrf_token(session)).data.decode()

    @reading
    def handler():
        checked(session, token)
        Entry(name=f"entry {len(visitor.site.names())}")
        return str(runs())

    assert visitor.request(handler, "POST").data in (b"2", b"3")
    assert visitor.request(handler, "POST").status.startswith("400")
    assert len(visitor.site.names()) == 1


@each_place
@each_store
def test_a_flash_message_is_shown_once(make_visitor, store, place):
    visitor = make_visitor(store, place)
    session = visitor.site.session

    def set_flash():
        session.flash = "saved"
        Entry(name="a")
        raise web.seeother("/")

    def show():
        message = session.pop("flash", "none")
        entry = Entry.selectBy(name="a")[0]
        entry.number += 1
        return f"{message} {entry.number}"

    visitor.request(set_flash, "POST")
    assert visitor.request(show).data == b"saved 1"
    assert visitor.request(show).data == b"none 2"


@each_place
@each_kind
def test_a_request_that_fails_leaves_the_session_as_it_was(make_visitor, store, place):
    visitor = make_visitor(store, place)
    session = visitor.site.session

    def handler():
        session.cart.append("item")
        session.left = "behind"
        Entry(name="a")
        raise ZeroDivisionError

    assert visitor.request(handler, "POST").status.startswith("500")
    assert visitor.get("cart") == []
    assert visitor.get("left") is None


@each_place
@each_kind
def test_a_doomed_request_s_session_is_saved_because_its_answer_counts(make_visitor, store, place):
    visitor = make_visitor(store, place)

    def handler():
        visitor.site.session.flash = "nothing was saved"
        Entry(name="a")
        doom()
        return "doomed"

    assert visitor.request(handler, "POST").data == b"doomed"
    assert visitor.get("flash") == "nothing was saved"
    assert visitor.site.names() == []


@each_place
@each_kind
def test_a_new_visitor_s_session_is_there_though_the_first_request_failed(
    make_visitor, store, place
):
    site = make_visitor(store, place).site
    site.session._config.ignore_expiry = False
    visitor = Visitor(site)

    def handler():
        site.session.count = 7
        raise ZeroDivisionError

    assert visitor.request(handler, "POST").status.startswith("500")
    assert visitor.get("count") == 0


@each_place
@pytest.mark.parametrize("store", ["disk", "shelf", "memory"])
def test_runs_that_come_to_nothing_save_nothing(make_visitor, store, place):
    site = make_visitor(store, place, timeout=0.01, attempts=3).site
    busy = Busy(site)
    before = stored(site.store)

    def handler():
        busy.impatient(sqlhub.threadConnection)
        site.session.count += 1
        Entry(name="a")

    visitor = Visitor(site)
    assert visitor.request(handler, "POST").status.startswith("503")
    busy.release()
    # web.py saves a new session outside of the processor, as it began.
    assert len(stored(site.store) - before) == (1 if place == "before" else 0)
    assert visitor.get("count") == 0


def stored(store):
    """The ids of all sessions in `store`."""
    if hasattr(store, "root"):
        return set(os.listdir(store.root))
    return set(store.shelf if hasattr(store, "shelf") else store.d_store)


@each_place
@each_kind
def test_a_logout_that_is_run_twice_knows_the_user_in_both_runs(make_visitor, store, place):
    visitor = make_visitor(store, place)
    session = visitor.site.session
    visitor.request(lambda: setattr(session, "user", "ada"))

    @reading
    def logout():
        name = session.user
        session.kill()
        Entry(name=name)
        return str(runs())

    cookie = visitor.cookie
    assert visitor.request(logout, "POST").data in (b"2", b"3")
    assert visitor.site.names() == ["ada"]
    assert visitor.cookie is None
    visitor.cookie = cookie
    assert visitor.get("user") is None


@each_place
@each_kind
def test_a_logout_that_fails_logs_nobody_out(make_visitor, store, place):
    visitor = make_visitor(store, place)
    session = visitor.site.session
    visitor.request(lambda: setattr(session, "user", "ada"))

    def logout():
        session.kill()
        raise ZeroDivisionError

    assert visitor.request(logout, "POST").status.startswith("500")
    assert visitor.get("user") == "ada"


def test_a_store_in_the_same_database_does_not_wait_for_its_own_request(make_visitor):
    visitor = make_visitor("same-db", "after")

    def handler():
        visitor.site.session.count += 1
        return add()()

    assert visitor.request(handler, "POST").data == b"added"
    assert visitor.get("count") == 1


@each_place
@each_of_models
def test_an_unchanged_session_makes_no_get_a_writing_request(make_visitor, store, place):
    visitor = make_visitor(store, place)
    seen = []

    def handler():
        seen.append((runs(), is_writing(), visitor.site.session.count))

    for one in (visitor, Visitor(visitor.site)):
        for _ in range(2):
            forget_saved_sessions()
            one.request(handler)
    assert seen == [(1, False, 0)] * 4


def used(site):
    return site.execute("SELECT used FROM visit")[0][0]


@each_place
@each_of_models
def test_a_session_that_is_only_read_is_touched_now_and_then(make_visitor, store, place):
    visitor = make_visitor(store, place)
    visitor.site.execute("UPDATE visit SET used = 1.0")
    visitor.get("count")
    if (store, place) != ("touching-models", "before"):
        assert used(visitor.site) == 1.0
    forget_saved_sessions()
    visitor.get("count")
    assert used(visitor.site) > 1.0


@each_of_models
def test_an_expired_session_is_not_found_and_its_removal_makes_no_writing_request(
    make_visitor, store
):
    visitor = make_visitor(store, "after")
    site = visitor.site
    visitor.request(lambda: setattr(site.session, "count", 5))
    site.execute("UPDATE visit SET used = 1.0")
    site.session._last_cleanup_time = 0
    seen = []
    visitor.request(lambda: seen.append((runs(), is_writing(), site.session.count)))
    assert seen == [(1, False, 0)]


@each_place
@each_of_models
def test_a_get_that_changes_nothing_overwrites_no_change_of_another(make_visitor, store, place):
    visitor = make_visitor(store, place)
    session = visitor.site.session
    other = Visitor(visitor.site)
    other.cookie = visitor.cookie

    def changing():
        session.count = 9

    def slow():
        assert session.count == 0
        in_threads(lambda: other.request(changing, "POST"))
        forget_saved_sessions()

    visitor.request(slow)
    assert visitor.get("count") == 9


@each_place
@pytest.mark.parametrize("store", ["disk", "shelf", "db"])
def test_what_cannot_be_saved_is_no_acknowledged_request(make_visitor, store, place):
    visitor = make_visitor(store, place)

    def handler():
        visitor.site.session.function = lambda: None
        return add()()

    assert visitor.request(handler, "POST").status.startswith("500")
    assert visitor.site.names() == []
    assert visitor.get("count") == 0


@each_place
@each_store
def test_an_instance_in_a_session_shows_what_is_committed(make_visitor, store, place):
    visitor = make_visitor(store, place)
    session = visitor.site.session

    def login():
        session.user = Entry(name="ada")
        raise web.seeother("/")

    visitor.request(login, "POST")
    assert visitor.request(lambda: session.user.name).data == b"ada"
    visitor.site.execute("UPDATE entry SET name = 'grace'")
    assert visitor.request(lambda: session.user.name).data == b"grace"
    assert visitor.request(lambda: session.user.name, "POST").data == b"grace"


@pytest.mark.parametrize("store", ["disk", "models"])
def test_the_session_of_an_answer_in_chunks_is_saved(make_visitor, store):
    visitor = make_visitor(store, "after")

    def handler():
        visitor.site.session.count += 1
        return chunks()

    def chunks():
        yield "first"
        yield str(Entry.select().count())

    assert visitor.request(handler).data == b"first0"
    assert visitor.request(handler, "POST").data == b"first0"
    assert visitor.get("count") == 2


@each_kind
def test_a_sub_application_s_session_is_as_another(make_visitor, store):
    """It is loaded in the handler of the outer application, after the processor."""
    visitor = make_visitor(store, "after")
    inner = visitor.site.app
    inner.processors = [one for one in inner.processors if one is not visitor.site.processor]
    visitor.site.app = web.application(("", inner))
    visitor.site.app.add_processor(visitor.site.processor)
    for expected in (1, 2):
        assert visitor.request(count_and_write(visitor.site.session, [])).data == b"counted"
        assert visitor.get("count") == expected


def test_what_an_initializer_writes_is_written(make_visitor):
    site = make_visitor("touching-models", "after").site
    add("visitors")()

    def count_visitor():
        Entry.byName("visitors").number += 1
        site.session.count = 0

    site.session._initializer = count_visitor
    assert Visitor(site).request(lambda: "hello").data == b"hello"
    assert site.execute("SELECT number FROM entry") == [(1,)]


@each_place
@each_kind
def test_a_request_inside_a_request_which_clears_the_session_is_not_acknowledged(
    make_visitor, store, place
):
    visitor = make_visitor(store, place)

    def handler():
        before = dict(web.ctx.__dict__)
        Visitor(visitor.site).request(lambda: "inner")
        web.ctx.__dict__.update(before)
        return add()()

    assert visitor.request(handler, "POST").status.startswith("500")
    assert visitor.site.names() == []
    assert visitor.get("count") == 0


# A second connection to SQLite's file waits for the transaction around the request, in vain.
each_free_kind = pytest.mark.parametrize("store", ["disk", "memory", "models"])


@each_place
@each_free_kind
@pytest.mark.parametrize("how", ["in_transaction", "on_commit"])
def test_a_request_that_comes_from_no_request_has_its_session(make_visitor, store, place, how):
    """As a thread asks the site for the page that it sends by mail."""
    visitor = make_visitor(store, place)
    answers = []

    def ask():
        answers.append(visitor.request(lambda: count(visitor.site.session), "POST").data)

    for _ in range(2):
        in_transaction(ask if how == "in_transaction" else lambda: on_commit(ask))
    assert answers == [b"1", b"2"]
    assert visitor.get("count") == 2


@each_place
@each_of_models
def test_two_requests_in_one_transaction_have_one_session(make_visitor, store, place):
    visitor = make_visitor(store, place)

    def ask():
        return [visitor.request(lambda: count(visitor.site.session), "POST").data for _ in "12"]

    assert in_transaction(ask) == [b"1", b"2"]
    assert visitor.get("count") == 2


@each_place
@each_free_kind
def test_a_session_in_a_transaction_that_is_run_again_counts_once(make_visitor, store, place):
    visitor = make_visitor(store, place, timeout=0.01)
    busy = Busy(visitor.site)

    def ask():
        answer = visitor.request(lambda: count(visitor.site.session), "POST").data
        busy.impatient(sqlhub.threadConnection)
        if runs() == 3:
            busy.release()
        Entry(name="a")
        return answer

    assert in_transaction(ask) == b"1"
    assert visitor.get("count") == 1


@each_place
@each_free_kind
def test_a_session_in_a_transaction_that_is_rolled_back_is_as_it_was(make_visitor, store, place):
    visitor = make_visitor(store, place)

    def ask():
        assert visitor.request(lambda: count(visitor.site.session), "POST").data == b"1"
        doom()

    in_transaction(ask)
    assert visitor.get("count") == 0


def count(session):
    session.count += 1
    return str(session.count)


# Nothing of the request is open while its visitor asks for another.
each_without_wait = pytest.mark.parametrize("store", ["disk", "shelf", "memory", "db", *OF_MODELS])


def served_meanwhile(visitor, meanwhile, handler):
    """Answer by `handler` without a transaction; meanwhile its visitor asks for `meanwhile`."""
    other = Visitor(visitor.site)
    other.cookie = visitor.cookie

    @no_transaction
    def slow():
        in_threads(lambda: other.request(meanwhile, "POST"))
        return handler()

    return visitor.request(slow, "POST")


@pytest.fixture
def filled(make_visitor):
    """Make a Visitor whose session has `first`, which it has had before this request."""

    def make(store, place):
        visitor = make_visitor(store, place)
        visitor.request(lambda: setattr(visitor.site.session, "first", "here"), "POST")
        return visitor

    return make


@each_place
@each_without_wait
def test_what_a_request_changes_stays_where_a_slow_one_changes_something_else(
    filled, store, place
):
    visitor = filled(store, place)
    session = visitor.site.session

    def meanwhile():
        session.cart.append("item")
        del session["first"]

    def handler():
        session.count += 1
        session.new = ["news"]
        return "done"

    assert served_meanwhile(visitor, meanwhile, handler).data == b"done"
    names = ("cart", "first", "count", "new")
    assert [visitor.get(name) for name in names] == [["item"], None, 1, ["news"]]


@each_place
@each_without_wait
def test_what_a_slow_request_leaves_alone_stays_as_another_has_changed_it(filled, store, place):
    visitor = filled(store, place)
    session = visitor.site.session

    def meanwhile():
        session.cart.append("item")
        session.first = "another"

    assert served_meanwhile(visitor, meanwhile, lambda: session.first).data == b"here"
    assert [visitor.get(name) for name in ("cart", "first")] == [["item"], "another"]


@each_place
@each_of_models
def test_two_changes_of_one_value_past_the_transaction_are_not_acknowledged(
    filled, store, place, capsys
):
    visitor = filled(store, place)
    session = visitor.site.session

    def handler():
        session.cart.append("mine")
        session.count = 1
        return "done"

    answer = served_meanwhile(visitor, lambda: session.cart.append("theirs"), handler)
    assert answer.status.startswith("500")
    assert "has changed ['cart'] of the same web session meanwhile" in capsys.readouterr().err
    assert (visitor.get("cart"), visitor.get("count")) == (["theirs"], 0)


@each_place
@each_of_models
def test_two_who_count_to_the_same_number_are_not_both_acknowledged(filled, store, place):
    visitor = filled(store, place)
    session = visitor.site.session
    answer = served_meanwhile(visitor, lambda: count(session), lambda: count(session))
    assert answer.status.startswith("500")
    assert visitor.get("count") == 1


@each_place
@each_of_models
def test_two_who_take_the_same_token_are_not_both_acknowledged(filled, store, place):
    visitor = filled(store, place)
    session = visitor.site.session

    def take():
        return session.pop("first")

    assert served_meanwhile(visitor, take, take).status.startswith("500")
    assert visitor.get("first") is None


@each_place
@pytest.mark.parametrize("store", ["models", "disk"])
def test_a_slow_request_brings_back_no_session_that_was_logged_out(filled, store, place):
    visitor = filled(store, place)
    session, cookie = visitor.site.session, visitor.cookie

    def handler():
        session.count = 1
        return "done"

    answer = served_meanwhile(visitor, session.kill, handler)
    assert answer.status.startswith("500" if store == "models" else "200")
    visitor.cookie = cookie
    assert visitor.get("first") is None


@each_of_models
def test_a_doomed_request_s_session_loses_no_change_of_another(filled, store):
    visitor = filled(store, "after")
    session = visitor.site.session
    other = Visitor(visitor.site)
    other.cookie = visitor.cookie

    def handler():
        session.count = 1
        doom()
        on_rollback(lambda: in_threads(lambda: other.request(meanwhile, "POST")))
        return "doomed"

    def meanwhile():
        session.cart.append("item")

    assert visitor.request(handler, "POST").data == b"doomed"
    assert (visitor.get("cart"), visitor.get("count")) == (["item"], 1)


@each_place
@pytest.mark.parametrize("store", ["disk", "shelf", "memory", "db"])
def test_elsewhere_the_later_of_two_changes_of_one_value_counts_and_the_log_tells(
    filled, store, place, caplog
):
    visitor = filled(store, place)
    session = visitor.site.session

    def handler():
        session.cart.append("mine")
        return "done"

    answer = served_meanwhile(visitor, lambda: session.cart.append("theirs"), handler)
    assert answer.data == b"done"
    assert visitor.get("cart") == ["mine"]
    assert "has changed ['cart'] of the same web session meanwhile" in caplog.text


@each_place
def test_a_folder_of_sessions_that_cannot_be_written_is_told(make_visitor, place, caplog, capsys):
    visitor = make_visitor("disk", place)
    site = visitor.site
    shutil.rmtree(site.store.root)
    with open(site.store.root, "w"):
        pass
    answer = Visitor(site).request(lambda: "read", "POST")
    assert answer.data == b"read"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "a web session was not saved" in caplog.text
    answer = Visitor(site).request(lambda: setattr(site.session, "user", "ada"), "POST")
    assert answer.status.startswith("500")
    assert "NotADirectoryError" in capsys.readouterr().err


def test_parallel_requests_of_a_visitor_leave_a_whole_session_on_disk(filled):
    visitor = filled("disk", "after")
    session = visitor.site.session

    def set_own(name):
        mine = Visitor(visitor.site)
        mine.cookie = visitor.cookie
        for number in range(20):
            mine.request(partial(session.__setitem__, name, [number] * 100), "POST")

    names = ["one", "two", "three", "four"]
    in_threads(*[partial(set_own, name) for name in names])
    assert [visitor.get(name) for name in names] == [[19] * 100] * 4


def test_what_two_clean_up_at_once_is_no_error(make_visitor):
    visitor = make_visitor("disk", "after")
    # It is in the list of files, and not there when it is looked at.
    os.symlink("removed", os.path.join(visitor.site.store.root, "by-another-process"))
    visitor.site.session._last_cleanup_time = 0
    assert visitor.request(lambda: "hello").data == b"hello"
