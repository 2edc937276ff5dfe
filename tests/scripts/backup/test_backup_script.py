"""scripts/backup and scripts/restore: what is written, what is refused, and what stays then."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.lib.backup.backup import parser
from scripts.lib.command import ROOT
from tests.servers import QUOTED_PASSWORD

NAMES = [
    "O'Brien",
    'a "b" \\ %s',
    "ü\u2028\U0001f600",
    "two\nlines\t",
    "COPY x FROM stdin;",
    "\\.",
]


def test_every_text_comes_back_as_it_was_and_later_rows_are_gone(kept, files):
    for number, name in enumerate(NAMES, 10):
        text = name.replace("\\", "\\\\") if kept.uri.startswith("mysql") else name
        text = text.replace("'", "''")
        kept.execute(
            "INSERT INTO users (id, name, fullname, password) "
            f"VALUES ({number}, 'user{number}', '{text}', 'x')"
        )
    query = "SELECT id, name, fullname, password FROM users ORDER BY id"
    before = [tuple(row) for row in kept.execute(query)]
    assert [row[2] for row in before[-len(NAMES) :]] == NAMES
    made = kept.script("backup", files / "site.backup")
    assert made.returncode == 0, made.stderr
    assert (files / "site.backup").stat().st_mode & 0o777 == 0o600
    kept.execute("DELETE FROM users")
    done = kept.script("restore", files / "site.backup")
    assert done.returncode == 0, done.stderr
    assert [tuple(row) for row in kept.execute(query)] == before


def test_foreign_keys_come_back_and_hold(kept, files):
    kept.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    kept.execute(
        "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL, "
        "FOREIGN KEY (parent_id) REFERENCES parent (id))"
    )
    kept.execute("INSERT INTO parent VALUES (1)")
    kept.execute("INSERT INTO child VALUES (1, 1)")
    assert kept.script("backup", files / "site.backup").returncode == 0
    for _ in range(2):
        kept.execute("DELETE FROM child")
        done = kept.script("restore", files / "site.backup")
        assert done.returncode == 0, done.stderr
        assert [tuple(row) for row in kept.execute("SELECT * FROM child")] == [(1, 1)]
    # SQLite enforces none in the session of this test.
    if not kept.uri.startswith("sqlite"):
        with pytest.raises(Exception, match="(?i)foreign key"):
            kept.execute("INSERT INTO child VALUES (2, 5)")


@pytest.mark.parametrize("kept", ["postgres", "mariadb"], indirect=True)
def test_a_later_table_that_refers_to_one_of_the_backup_is_refused(kept, files):
    """What it refers to would be dropped, and it would refer to nothing."""
    assert kept.script("backup", files / "site.backup").returncode == 0
    # Its reference to itself is no hindrance.
    kept.execute(
        "CREATE TABLE later (id INTEGER PRIMARY KEY, user_id INTEGER, later_id INTEGER, "
        "FOREIGN KEY (user_id) REFERENCES users (id), "
        "FOREIGN KEY (later_id) REFERENCES later (id))"
    )
    kept.execute("UPDATE users SET fullname = 'later' WHERE id = 1")
    kept.execute("INSERT INTO later VALUES (1, 1, 1)")
    done = kept.script("restore", files / "site.backup")
    assert done.returncode == 2
    assert re.search("later", done.stderr)
    changed = kept.execute("SELECT fullname FROM users WHERE id = 1")
    assert [tuple(row) for row in changed] == [("later",)]
    kept.execute("INSERT INTO later VALUES (2, 1, 1)")
    kept.execute("DROP TABLE later")
    assert kept.script("restore", files / "site.backup").returncode == 0


@pytest.mark.parametrize("kept", ["mariadb"], indirect=True)
def test_a_table_of_another_database_that_refers_to_one_of_the_backup_is_refused(kept, files):
    assert kept.script("backup", files / "site.backup").returncode == 0
    site = kept.uri.rpartition("/")[2]
    kept.execute(f"CREATE DATABASE {site}_other")
    kept.execute(
        f"CREATE TABLE {site}_other.later (id INTEGER PRIMARY KEY, user_id INTEGER, "
        f"FOREIGN KEY (user_id) REFERENCES {site}.users (id))"
    )
    done = kept.script("restore", files / "site.backup")
    kept.execute(f"INSERT INTO {site}_other.later VALUES (1, 1)")
    kept.execute(f"DROP DATABASE {site}_other")
    assert done.returncode == 2
    assert f"{site}_other.later" in done.stderr


@pytest.mark.parametrize("end", ["_restored", "_replaced"])
@pytest.mark.parametrize("kept", ["mariadb"], indirect=True)
def test_a_database_of_the_name_that_a_restore_needs_is_not_dropped(kept, files, end):
    assert kept.script("backup", files / "site.backup").returncode == 0
    site = kept.uri.rpartition("/")[2]
    other = f"{site}{end}"
    kept.execute(f"CREATE DATABASE {other}")
    kept.execute(f"CREATE TABLE {other}.mine (id INTEGER PRIMARY KEY)")
    done = kept.script("restore", files / "site.backup")
    assert done.returncode == 2
    assert f"DROP DATABASE `{other}`" in done.stderr
    assert not kept.execute(f"SELECT id FROM {other}.mine")
    kept.execute(f"DROP DATABASE {other}")
    assert kept.script("restore", files / "site.backup").returncode == 0
    assert not kept.execute(f"SHOW DATABASES LIKE '{site}\\_re%'")


def test_a_backup_that_is_cut_off_or_of_another_kind_changes_nothing(kept, files):
    assert kept.script("backup", files / "whole").returncode == 0
    whole = (files / "whole").read_bytes()
    (files / "cut").write_bytes(whole[: len(whole) * 2 // 3])
    (files / "other").write_bytes(b"something else\n" * 500)
    kept.execute("UPDATE users SET name = 'later' WHERE id = 1")
    before = kept.names()
    for name in ("cut", "other"):
        done = kept.script("restore", files / name)
        assert done.returncode == 2
        assert re.search("error: .*(backup|damaged|failed)", done.stderr)
    assert kept.names() == before


def test_a_table_that_an_older_backup_does_not_have_is_created(kept, files):
    before = kept.names()
    kept.execute("ALTER TABLE users RENAME TO other")
    assert kept.script("backup", files / "old").returncode == 0
    kept.run("app.database")
    done = kept.script("restore", files / "old")
    assert done.returncode == 0, done.stderr
    assert [name for (name,) in kept.execute("SELECT name FROM other ORDER BY id")] == before
    assert len(kept.names()) == len(before)


def test_a_file_that_is_there_is_not_overwritten(kept, files):
    (files / "mine").write_text("mine")
    done = kept.script("backup", files / "mine")
    assert (done.returncode, (files / "mine").read_text()) == (2, "mine")


def test_what_fails_leaves_no_file(kept, files):
    kept.environment["DATABASE_URI"] = "sqlite:///nowhere/site.db"
    done = kept.script("backup", files / "site.backup")
    assert done.returncode == 2
    assert "/nowhere/site.db is not there" in done.stderr
    assert list(files.iterdir()) == []


@pytest.mark.parametrize("kept", ["sqlite"], indirect=True)
def test_only_the_latest_that_were_named_by_the_time_are_kept(kept, files):
    others = ["mine", "20260101T000000Z.backup.gpg", "x20260101T000000Z.backup"]
    old = [f"2026010{day}T000000Z.backup" for day in (1, 2, 3)]
    for name in (*others, *old):
        (files / name).touch()
    done = kept.script("backup", files, "--keep", "2")
    assert done.returncode == 0, done.stderr
    there = {path.name for path in files.iterdir()}
    new = there - {*others, *old}
    assert len(new) == 1
    assert there == {*others, old[-1], *new}


@pytest.mark.parametrize("kept", ["postgres", "mariadb"], indirect=True)
def test_the_password_is_in_no_command_line(kept, files):
    """Of all processes, looked at while a backup and a restore are held up by a lock."""
    assert QUOTED_PASSWORD in kept.uri
    assert kept.script("backup", files / "site.backup").returncode == 0
    lines = set()
    for verb in ("backup", "restore"):
        name = files / ("second" if verb == "backup" else "site.backup")
        environment = kept.environment | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-P", "-m", f"scripts.lib.backup.{verb}", name]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                lines |= set(command_lines())
                time.sleep(0.001)
        assert process.returncode == 0
    programs = {os.path.basename(line.split(" ")[0]) for line in lines}
    assert programs & {"pg_dump", "mariadb-dump"}
    assert programs & {"psql", "mariadb"}
    assert not [line for line in lines if "p@ss" in line or QUOTED_PASSWORD in line]


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


@pytest.mark.parametrize("kept", ["sqlite"], indirect=True)
def test_a_damaged_database_is_not_backed_up(kept, files):
    path = Path(kept.uri.removeprefix("sqlite://"))
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = raw.execute("PRAGMA page_size").fetchone()[0]
    with open(path, "r+b") as file:
        file.seek(size)
        file.write(b"\xff" * size)
    done = kept.script("backup", files / "site.backup")
    assert done.returncode == 2
    assert re.search("damaged|cannot be copied", done.stderr)
    assert list(files.iterdir()) == []


def test_the_timer_runs_what_the_units_name():
    unit = (ROOT / "scripts" / "systemd" / "site-backup.service").read_text()
    command = re.search("^ExecStart=/srv/site/(.*)$", unit, re.MULTILINE)[1].split()
    assert os.access(ROOT / command[0], os.X_OK)
    assert parser().parse_args(command[1:]).keep == 14
    if Path("/usr/bin/systemd-analyze").exists():
        done = subprocess.run(
            ["systemd-analyze", "calendar", "*-*-* 03:30"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
