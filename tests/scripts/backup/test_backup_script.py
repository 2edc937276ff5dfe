"""scripts/backup and scripts/restore: what they write, what they refuse, and what stays then."""

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


def test_every_text_comes_back_as_it_was_and_later_rows_are_gone(example, files):
    for number, name in enumerate(NAMES, 10):
        text = name.replace("\\", "\\\\") if example.uri.startswith("mysql") else name
        text = text.replace("'", "''")
        example.execute(
            "INSERT INTO users (id, name, fullname, password) "
            f"VALUES ({number}, 'user{number}', '{text}', 'x')"
        )
    query = "SELECT id, name, fullname, password FROM users ORDER BY id"
    before = [tuple(row) for row in example.execute(query)]
    assert [row[2] for row in before[-len(NAMES) :]] == NAMES
    made = example.script("backup", files / "site.backup")
    assert made.returncode == 0, made.stderr
    assert (files / "site.backup").stat().st_mode & 0o777 == 0o600
    example.execute("DELETE FROM users")
    done = example.script("restore", files / "site.backup")
    assert done.returncode == 0, done.stderr
    assert [tuple(row) for row in example.execute(query)] == before


def test_foreign_keys_come_back_and_hold(example, files):
    example.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    example.execute(
        "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL, "
        "FOREIGN KEY (parent_id) REFERENCES parent (id))"
    )
    example.execute("INSERT INTO parent VALUES (1)")
    example.execute("INSERT INTO child VALUES (1, 1)")
    assert example.script("backup", files / "site.backup").returncode == 0
    for _ in range(2):
        example.execute("DELETE FROM child")
        done = example.script("restore", files / "site.backup")
        assert done.returncode == 0, done.stderr
        assert [tuple(row) for row in example.execute("SELECT * FROM child")] == [(1, 1)]
    # SQLite does not enforce them in this test's session.
    if not example.uri.startswith("sqlite"):
        with pytest.raises(Exception, match="(?i)foreign key"):
            example.execute("INSERT INTO child VALUES (2, 5)")


@pytest.mark.parametrize("example", ["postgres", "mariadb"], indirect=True)
def test_a_later_table_that_refers_to_one_of_the_backup_is_refused(example, files):
    """The restore would drop the table that it refers to."""
    assert example.script("backup", files / "site.backup").returncode == 0
    # Its reference to itself is no hindrance.
    example.execute(
        "CREATE TABLE later (id INTEGER PRIMARY KEY, user_id INTEGER, later_id INTEGER, "
        "FOREIGN KEY (user_id) REFERENCES users (id), "
        "FOREIGN KEY (later_id) REFERENCES later (id))"
    )
    example.execute("UPDATE users SET fullname = 'later' WHERE id = 1")
    example.execute("INSERT INTO later VALUES (1, 1, 1)")
    done = example.script("restore", files / "site.backup")
    assert done.returncode == 2
    assert re.search("later", done.stderr)
    changed = example.execute("SELECT fullname FROM users WHERE id = 1")
    assert [tuple(row) for row in changed] == [("later",)]
    example.execute("INSERT INTO later VALUES (2, 1, 1)")
    example.execute("DROP TABLE later")
    assert example.script("restore", files / "site.backup").returncode == 0


@pytest.mark.parametrize("example", ["mariadb"], indirect=True)
def test_a_table_of_another_database_that_refers_to_one_of_the_backup_is_refused(example, files):
    assert example.script("backup", files / "site.backup").returncode == 0
    site = example.uri.rpartition("/")[2]
    example.execute(f"CREATE DATABASE {site}_other")
    example.execute(
        f"CREATE TABLE {site}_other.later (id INTEGER PRIMARY KEY, user_id INTEGER, "
        f"FOREIGN KEY (user_id) REFERENCES {site}.users (id))"
    )
    done = example.script("restore", files / "site.backup")
    example.execute(f"INSERT INTO {site}_other.later VALUES (1, 1)")
    example.execute(f"DROP DATABASE {site}_other")
    assert done.returncode == 2
    assert f"{site}_other.later" in done.stderr


@pytest.mark.parametrize("end", ["_restored", "_replaced"])
@pytest.mark.parametrize("example", ["mariadb"], indirect=True)
def test_a_database_of_the_name_that_a_restore_needs_is_not_dropped(example, files, end):
    assert example.script("backup", files / "site.backup").returncode == 0
    site = example.uri.rpartition("/")[2]
    other = f"{site}{end}"
    example.execute(f"CREATE DATABASE {other}")
    example.execute(f"CREATE TABLE {other}.mine (id INTEGER PRIMARY KEY)")
    done = example.script("restore", files / "site.backup")
    assert done.returncode == 2
    assert f"DROP DATABASE `{other}`" in done.stderr
    assert not example.execute(f"SELECT id FROM {other}.mine")
    example.execute(f"DROP DATABASE {other}")
    assert example.script("restore", files / "site.backup").returncode == 0
    assert not example.execute(f"SHOW DATABASES LIKE '{site}\\_re%'")


def test_a_backup_that_is_cut_off_or_of_another_kind_changes_nothing(example, files):
    assert example.script("backup", files / "whole").returncode == 0
    whole = (files / "whole").read_bytes()
    (files / "cut").write_bytes(whole[: len(whole) * 2 // 3])
    (files / "other").write_bytes(b"something else\n" * 500)
    example.execute("UPDATE users SET name = 'later' WHERE id = 1")
    before = example.names()
    for name in ("cut", "other"):
        done = example.script("restore", files / name)
        assert done.returncode == 2
        assert re.search("error: .*(backup|damaged|failed)", done.stderr)
    assert example.names() == before


def test_a_table_that_an_older_backup_does_not_have_is_created(example, files):
    before = example.names()
    example.execute("ALTER TABLE users RENAME TO other")
    assert example.script("backup", files / "old").returncode == 0
    example.run("app.database")
    done = example.script("restore", files / "old")
    assert done.returncode == 0, done.stderr
    assert [name for (name,) in example.execute("SELECT name FROM other ORDER BY id")] == before
    assert len(example.names()) == len(before)


def test_an_existing_file_is_not_overwritten(example, files):
    (files / "mine").write_text("mine")
    done = example.script("backup", files / "mine")
    assert (done.returncode, (files / "mine").read_text()) == (2, "mine")


def test_what_fails_leaves_no_file(example, files):
    example.environment["DATABASE_URI"] = "sqlite:///nowhere/site.db"
    done = example.script("backup", files / "site.backup")
    assert done.returncode == 2
    assert "/nowhere/site.db is not there" in done.stderr
    assert list(files.iterdir()) == []


@pytest.mark.parametrize("example", ["sqlite"], indirect=True)
def test_keep_removes_all_but_the_latest_files_named_by_the_time(example, files):
    others = ["mine", "20260101T000000Z.backup.gpg", "x20260101T000000Z.backup"]
    old = [f"2026010{day}T000000Z.backup" for day in (1, 2, 3)]
    for name in (*others, *old):
        (files / name).touch()
    done = example.script("backup", files, "--keep", "2")
    assert done.returncode == 0, done.stderr
    there = {path.name for path in files.iterdir()}
    new = there - {*others, *old}
    assert len(new) == 1
    assert there == {*others, old[-1], *new}


@pytest.mark.parametrize("example", ["postgres", "mariadb"], indirect=True)
def test_the_password_is_in_no_command_line(example, files):
    """The test looks at all processes while a lock holds up a backup and a restore."""
    assert QUOTED_PASSWORD in example.uri
    assert example.script("backup", files / "site.backup").returncode == 0
    lines = set()
    for verb in ("backup", "restore"):
        name = files / ("second" if verb == "backup" else "site.backup")
        environment = example.environment | {"PYTHONPATH": str(ROOT)}
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


@pytest.mark.parametrize("example", ["sqlite"], indirect=True)
def test_a_damaged_database_is_not_backed_up(example, files):
    path = Path(example.uri.removeprefix("sqlite://"))
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = raw.execute("PRAGMA page_size").fetchone()[0]
    with open(path, "r+b") as file:
        file.seek(size)
        file.write(b"\xff" * size)
    done = example.script("backup", files / "site.backup")
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
