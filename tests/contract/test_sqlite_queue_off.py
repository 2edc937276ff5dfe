"""Without a queue, turned off or impossible, the writers of SQLite wait as SQLite has them."""

import contextlib
import os
import sqlite3
import subprocess
import sys

import pytest

from app.settings import ROOT
from app.transactions import connection_for
from tests.contract.queue_process import queue_file, started
from tests.contract.site import Entry, Site, add
from tests.servers import folder_of

pytestmark = pytest.mark.engines("sqlite")

PATIENCE = 60


@pytest.mark.parametrize("option", ["argument", "uri"])
def test_an_option_turns_the_queue_off(make_site, server, uri, option):
    site = make_site(queue=False) if option == "argument" else Site(server, f"{uri}?queue=0")
    assert site.request(add()).status == "200 OK"
    assert site.names() == ["a"]
    assert not os.path.exists(queue_file(uri))
    site.connection.close()


@pytest.mark.parametrize("value, there", [("off", False), ("on", True)])
def test_the_setting_says_whether_there_is_a_queue(uri, value, there):
    work = (
        "from app import load_sqlo\n"
        "from app.transactions import in_transaction\n"
        "from sqlobject import sqlhub\n"
        "load_sqlo()\n"
        "in_transaction(lambda: sqlhub.getConnection().query('CREATE TABLE t (a INT)'))"
    )
    environ = {**os.environ, "DATABASE_URI": uri, "SITE_SQLITE_QUEUE": value}
    for command in (["-m", "app.database"], ["-c", work]):
        subprocess.run([sys.executable, *command], cwd=ROOT, env=environ, check=True)
    assert os.path.exists(queue_file(uri)) is there


def written_without_queue(uri, first):
    """Write in 2 processes of 2 threads; return the names acknowledged, and each one's log."""
    acknowledged, logged = [], []
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(started("write", uri, 2, 5, first, stderr=subprocess.PIPE))
            for _ in range(2)
        ]
        for process in writers:
            said, log = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, log
            acknowledged += said.split()
            logged.append(log.splitlines())
    assert len(acknowledged) == 2 * 2 * 5
    return sorted(acknowledged), logged


def assert_one_line_with_the_cure(logged, uri, error):
    for lines in logged:
        (line,) = lines
        assert f"{queue_file(uri)} cannot be used ({error})" in line
        assert "queue=False" in line


def test_a_folder_in_which_no_file_can_be_created_is_told_once_and_served():
    with folder_of("nobody") as (folder, _):
        path = folder / "site.db"
        uri = f"sqlite://{path}"
        connection = connection_for(uri)
        Entry.createTable(connection=connection)
        # While somebody has it open, its log is there.
        with contextlib.closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT COUNT(*) FROM entry").fetchone() == (0,)
            for file in folder.iterdir():
                file.chmod(0o666)
            os.chown(folder, os.getuid(), os.getgid())
            folder.chmod(0o555)
            try:
                acknowledged, logged = written_without_queue(uri, "become_nobody")
                rows = other.execute("SELECT name FROM entry").fetchall()
            finally:
                folder.chmod(0o755)
        connection.close()
        assert sorted(name for (name,) in rows) == acknowledged
        assert not os.path.exists(queue_file(uri))
        assert_one_line_with_the_cure(logged, uri, "Permission denied")


def test_a_file_system_without_flock_is_told_once_and_served(site):
    acknowledged, logged = written_without_queue(site.uri, "refuse_flock")
    assert sorted(site.names()) == acknowledged
    assert_one_line_with_the_cure(logged, site.uri, "No locks available")
