"""All processes stand in one queue of a SQLite database's writers; a dead one has no place."""

import contextlib
import os
import signal
import sqlite3
import threading
import time

import pytest

from app.transactions import Verdict, connection_for, writing
from tests.contract.internals import begin, rollback
from tests.contract.queue_process import is_free, queue_file, started, turn_taken
from tests.contract.site import Entry, add, in_threads

pytestmark = pytest.mark.engines("sqlite")

PATIENCE = 60


@pytest.fixture
def file(uri):
    return queue_file(uri)


def begun(process):
    assert process.stdout.readline() == "begun\n"
    return process


def wait_until_free(file):
    deadline = time.monotonic() + PATIENCE
    while not is_free(file):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def another_program(site):
    """A program that knows no queue, in a writing transaction."""
    with contextlib.closing(sqlite3.connect(site.connection.filename, timeout=0.1)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_each_acknowledged_write_of_4_processes_with_4_threads_is_there(site):
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(started("write", site.uri, 4, 50)) for _ in range(4)]
        acknowledged = [process.communicate(timeout=PATIENCE)[0].split() for process in writers]
        assert [process.returncode for process in writers] == [0] * 4
    names = sorted(name for names in acknowledged for name in names)
    assert len(names) == 4 * 4 * 50
    assert sorted(site.names()) == names


def test_a_writer_waits_for_the_turn_of_another_process(make_site):
    site = make_site(timeout=PATIENCE)
    with started("hold", site.uri) as process:
        begun(process)
        seen = []

        def let_go():
            seen.extend(site.names())
            print(file=process.stdin, flush=True)

        timer = threading.Timer(0.3, let_go)
        timer.start()
        assert site.request(add()).status == "200 OK"
        timer.join()
    assert seen == []
    assert site.names() == ["held", "a"]


def test_the_wait_for_a_turn_ends_with_the_timeout(make_site, file):
    site = make_site(timeout=0.2, attempts=2)
    with started("hold", site.uri) as process:
        begun(process)
        answer = site.request(add())
        assert (answer.status, answer.headers["Retry-After"]) == ("503 Service Unavailable", "1")
        with pytest.raises(sqlite3.OperationalError, match="locked: .* timeout") as caught:
            begin(site.connection, True)
        assert site.connection.verdict(caught.value) is Verdict.CONFLICT
        # Those who have gone away do not hold up the ones behind them.
        process.kill()
        wait_until_free(file)
        assert site.request(add()).status == "200 OK"
        assert is_free(file)


def test_the_wait_for_a_turn_ends_with_the_handlers_own_timeout(make_site):
    site = make_site(timeout=PATIENCE)

    @writing(timeout=0.2)
    def handler():
        return add()()

    with started("hold", site.uri) as process:
        begun(process)
        assert site.request(handler).status.startswith("503")


def test_a_writer_whose_turn_does_not_come_asks_sqlite_itself(make_site, file):
    """As where the process whose turn it is was stopped before its transaction began, or hangs."""
    site = make_site(timeout=0.2)
    assert site.request(add("a")).status == "200 OK"
    with turn_taken(file):
        assert site.request(add("b")).status == "200 OK"
    assert site.names() == ["a", "b"]


def test_a_writer_that_has_given_up_does_not_hold_up_the_next_one(make_site, file):
    """It stands in the queue of this process, which waits for another process."""
    site = make_site(timeout=PATIENCE)
    site.request(add("a"))
    impatient = connection_for(site.uri, timeout=0.1)
    with turn_taken(file):
        in_threads(lambda: rollback(impatient, begin(impatient, True)))
    # It comes to this process, where nobody is left.
    wait_until_free(file)
    assert site.request(add("b")).status == "200 OK"
    assert is_free(file)


def test_nothing_of_a_killed_process_is_in_the_queue(make_site, file):
    site = make_site(timeout=PATIENCE)
    with started("hold", site.uri) as process:
        begun(process)
        timer = threading.Timer(0.3, process.kill)
        timer.start()
        assert site.request(add()).status == "200 OK"
    assert site.names() == ["a"]
    assert is_free(file)


def test_a_child_does_not_hold_the_turn_of_its_parent(make_site, file):
    site = make_site(timeout=PATIENCE)
    with started("fork", site.uri) as process:
        child = int(process.stdout.readline())
        try:
            assert not is_free(file)
            process.kill()
            process.wait()
            wait_until_free(file)
            os.kill(child, 0)
            assert site.request(add()).status == "200 OK"
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_child_stands_behind_its_parent(site, file):
    def handler():
        Entry(name="parent's")
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                impatient = connection_for(site.uri, timeout=0.1)
                with contextlib.suppress(sqlite3.OperationalError):
                    begin(impatient, True)
                    os._exit(1)
                assert not is_free(file)
                os._exit(0)
            os._exit(2)
        _, status = os.waitpid(child, 0)
        assert not is_free(file)
        return str(os.waitstatus_to_exitcode(status))

    assert site.request(handler).data == b"0"
    assert is_free(file)


def test_a_program_without_the_queue_excludes_and_is_excluded(make_site):
    site = make_site(timeout=0.2, attempts=1)

    def handler():
        Entry(name="b")
        with pytest.raises(sqlite3.OperationalError, match="locked"), another_program(site):
            pass
        return "written"

    with another_program(site):
        assert site.request(add("a")).status.startswith("503")
    assert site.request(handler).data == b"written"
    assert site.names() == ["b"]


def test_a_program_without_the_queue_is_waited_for(make_site):
    site = make_site(timeout=PATIENCE)
    seen = []

    def write():
        seen.append(site.request(add("b")).status)

    with another_program(site) as other:
        other.execute("INSERT INTO entry (name, number) VALUES ('a', 0)")
        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(0.2)
        assert not seen
        other.execute("COMMIT")
        writer.join()
    assert seen == ["200 OK"]
    assert site.names() == ["a", "b"]


def test_all_names_of_a_database_have_one_queue(site, tmp_path, file):
    (tmp_path / "link").mkdir()
    link = tmp_path / "link" / "other.db"
    link.symlink_to(site.connection.filename)
    (tmp_path / "folder").symlink_to(tmp_path)
    for name in (link, tmp_path / "folder" / os.path.basename(site.connection.filename)):
        other = connection_for(f"sqlite://{name}")
        raw = begin(other, True)
        assert not is_free(file)
        rollback(other, raw)
        other.close()
    assert sorted(path.name for path in tmp_path.rglob("*-queue")) == [os.path.basename(file)]


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_the_file_has_the_rights_of_the_database(uri, file, mode):
    connection = connection_for(uri)
    begin_once(connection, False)
    os.chmod(connection.filename, mode)
    if os.getuid() == 0:
        os.chown(connection.filename, 65534, 65534)
    before = os.umask(0o077)
    begin_once(connection, True)
    os.umask(before)
    rights, own = os.stat(connection.filename), os.stat(file)
    assert (own.st_mode, own.st_uid, own.st_gid) == (rights.st_mode, rights.st_uid, rights.st_gid)
    assert own.st_size == 0
    connection.close()


def begin_once(connection, writing):
    rollback(connection, begin(connection, writing))
