"""`python -m app.database --add-editor`: it makes a user of the example an editor."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys

import pytest

from app.settings import ROOT
from tests.http_client import Browser, add_user, site_client

PASSWORD = "öpen sesame"


@pytest.fixture
def folder(tmp_path):
    """A folder with the site's database, and the password in a file."""
    with site_client(tmp_path):
        pass
    (tmp_path / "password").write_text(f"{PASSWORD}\r\nanother line\n")
    return tmp_path


def add_editor(folder, *options, typed="", **environ):
    command = [sys.executable, "-m", "app.database", "--add-editor", *options]
    environ |= {"DATABASE_URI": f"sqlite://{folder}/site.db", "PATH": os.environ["PATH"]}
    # Without a terminal, from which the password would be read.
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environ,
        input=typed,
        capture_output=True,
        text=True,
        start_new_session=True,
    )


def users(folder):
    with contextlib.closing(sqlite3.connect(folder / "site.db")) as raw:
        return raw.execute("SELECT name, role FROM users WHERE id > 3").fetchall()


def test_the_first_editor_is_created_and_signs_in(folder):
    done = add_editor(folder, "ada", "--password-file", folder / "password")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"database sqlite://{folder}/site.db\nuser 4 ada: created, an editor\n"
    assert users(folder) == [("ada", "editor")]
    with site_client(folder) as client:
        assert Browser(client).sign_in("ada", PASSWORD).status == 303


def test_the_mark_at_the_beginning_of_a_file_is_no_part_of_the_password(folder):
    (folder / "password").write_text(PASSWORD, encoding="utf-8-sig")
    assert add_editor(folder, "ada", "--password-file", folder / "password").returncode == 0
    with site_client(folder) as client:
        assert Browser(client).sign_in("ada", PASSWORD).status == 303


def test_a_password_is_asked_for_twice(folder):
    done = add_editor(folder, "ada", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    assert "Password of ada: " in done.stdout + done.stderr
    with site_client(folder) as client:
        assert Browser(client).sign_in("ada", PASSWORD).status == 303


def test_a_user_who_is_there_gets_the_role_and_the_password_and_is_signed_out(folder):
    add_user(folder, "bob", "of before")
    with site_client(folder) as client:
        bob, guesser = Browser(client), Browser(client)
        bob.sign_in("bob", "of before")
        for _ in range(5):
            guesser.sign_in("bob", "wrong")
        done = add_editor(folder, "bob", "--password-file", folder / "password")
        assert (done.returncode, users(folder)) == (0, [("bob", "editor")])
        assert "its sessions have ended" in done.stdout
        assert bob.get("/account").status == 303
        assert bob.sign_in("bob", "of before").status == 422
        assert bob.sign_in("bob", PASSWORD).status == 303


@pytest.mark.parametrize(
    ("options", "typed", "said"),
    [
        (("", "--password-file", "password"), "", "the name must have a character that can be"),
        (("a" * 101, "--password-file", "password"), "", "the name has 101 characters"),
        (
            ("ada", "--password-file", "nowhere"),
            "",
            "nowhere: No such file or directory: name a file",
        ),
        (("ada", "--password-file", "site.db"), "", "is not text in UTF-8"),
        (("ada", "--password-file", "short"), "", "the password must have at least 8 characters"),
        (("ada",), f"{PASSWORD}\nanother one\n", "two different passwords were typed"),
        (("ada",), "", "no password was typed: type it twice, or use --password-file"),
        (("ada", "--check"), "", "not allowed with argument"),
        (("ada", "--wait", "3"), "", "not allowed with argument"),
    ],
)
def test_wrong_input_is_told_with_status_2(folder, options, typed, said):
    (folder / "short").write_text("short\n")
    (folder / "site.db").write_bytes((folder / "site.db").read_bytes() + b"\xff")
    files = {"password", "nowhere", "site.db", "short"}
    options = [folder / option if option in files else option for option in options]
    done = add_editor(folder, *options, typed=typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and "Traceback" not in done.stderr
    assert users(folder) == []


def test_a_password_file_without_a_name_is_told(folder):
    command = [sys.executable, "-m", "app.database", "--password-file", folder / "password"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "it goes with --add-editor" in done.stderr) == (2, True)


def test_a_database_that_is_not_there_is_told_with_the_cure(tmp_path):
    (tmp_path / "password").write_text(PASSWORD)
    done = add_editor(tmp_path, "ada", "--password-file", tmp_path / "password")
    assert (done.returncode, done.stdout) == (3, "")
    assert "`.venv/bin/python -m app.database` creates what is missing" in done.stderr
    assert not (tmp_path / "site.db").exists()


def test_the_users_of_another_application_are_not_touched(folder):
    done = add_editor(
        folder, "ada", "--password-file", folder / "password", SITE_APPLICATION="wiki.code:app"
    )
    assert done.returncode == 2
    assert re.search("the users of SITE_APPLICATION are not the example's", done.stderr)
