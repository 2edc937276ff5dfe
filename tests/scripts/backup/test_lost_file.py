"""scripts/restore when SQLite's file is lost: who has the old file open, and where room is."""

import contextlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.own_site import daemon_user
from scripts.lib.serving.user import as_user

pytestmark = pytest.mark.parametrize("example", ["sqlite"], indirect=True)

READER = """
import sqlite3, sys
raw = sqlite3.connect(sys.argv[1])
beside = open(sys.argv[1] + "-queue", "w")
print(raw.execute("SELECT count(*) FROM users").fetchone(), flush=True)
input()
"""


def remove(path):
    path.unlink()


def remove_with_log(path):
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)


def move_with_log(path):
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").rename(path.with_name(f"moved.db{end}"))


def overwrite(path):
    path.write_bytes(b"something else\n" * 1000)


@pytest.mark.parametrize("lose", [remove, remove_with_log, move_with_log, overwrite])
def test_a_lost_file_is_put_back_when_nobody_has_the_old_one_open(example, files, lose):
    """Even if a part of its path is a link."""
    (example.folder / "link").symlink_to("data")
    example.environment["DATABASE_URI"] = example.uri.replace("/data/", "/link/")
    path = Path(example.uri.removeprefix("sqlite://"))
    before = example.names()
    assert example.script("backup", files / "site.backup").returncode == 0
    command = [sys.executable, "-c", READER, example.folder / "link" / path.name]
    with subprocess.Popen(command, stdin=-1, stdout=-1, **as_user(daemon_user())) as daemon:
        daemon.stdout.readline()
        lose(path)
        done = example.script("restore", files / "site.backup")
        assert done.returncode == 2
        assert f"[{daemon.pid}]" in done.stderr
        assert "stop the site first" in done.stderr
        daemon.communicate(b"\n")
    done = example.script("restore", files / "site.backup")
    assert done.returncode == 0, done.stderr
    assert example.names() == before
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("lose", [remove, overwrite])
def test_a_process_whose_open_files_are_hidden_may_have_the_old_one_open(example, files, lose):
    """Such as one in another container; here it is the test's own, of another user."""
    path = Path(example.uri.removeprefix("sqlite://"))
    assert example.script("backup", files / "site.backup").returncode == 0
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("SELECT count(*) FROM users").fetchone()
        lose(path)
        done = example.script("restore", files / "site.backup")
        assert done.returncode == 2
        assert "stop the site first" in done.stderr
    assert example.script("restore", files / "site.backup").returncode == 0


def test_a_backup_is_copied_beside_the_database_because_tmp_may_be_small(example):
    """Even if its file is a link, and its folder must be created first."""
    link, path = example.folder / "data" / "link.db", example.folder / "data" / "new" / "site.db"
    link.symlink_to(path)
    environment = example.environment | {"DATABASE_URI": f"sqlite://{link}"}
    command = [sys.executable, "-m", "app.backup", "load"]
    how = as_user(daemon_user()) | {"cwd": ROOT, "env": environment, "stderr": -1}
    with subprocess.Popen(command, stdin=-1, **how) as process:
        process.stdin.write(b"no backup" * 10000)
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not (written := files_that_grow(process.pid)):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        said = process.communicate()[1].decode()
    assert [file.parents[1] for file in written] == [path.parent]
    assert (process.returncode, "no backup" in said) == (2, True)
    assert list(path.parent.iterdir()) == []


def files_that_grow(pid):
    """The paths of the regular files with something in them that a process has open to write."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            file, writes = descriptor.readlink(), descriptor.lstat().st_mode & 0o200
            if writes and file.is_file() and file.stat().st_size:
                found.append(file)
    return found
