"""scripts/check as a command: as whom it looks, what it prints, how it ends."""

import os
import shutil
import subprocess
import sys

import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.own_site import daemon_user
from tests.apache.server import hermetic_environment

CHECK = [ROOT / "scripts" / "check"]

pytestmark = pytest.mark.slow


@pytest.fixture
def notes(notes_of_daemons):
    return notes_of_daemons


def check(environment, *options, command=CHECK):
    """Run it; returns its status, its lines and what it says on stderr."""
    done = subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, timeout=100
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def bad(lines):
    return [line for line in lines if not line.startswith("ok      ")]


def test_a_good_application_has_only_ok_lines(notes):
    status, lines, said = check(notes.environment())
    assert (status, bad(lines), said) == (0, [], "")
    told = "\n".join(lines)
    for subject in (
        "python-home: ", "libpython: ", "versions: web.py==", "Apache/2.4", "locale: C.UTF-8",
        "permissions: ", "disk: ", "clock: ", "notes.pages:app loads in ",
        "nothing past the transactions", "nothing that is stopped", "SQLite 3", "table note: ",
    ):  # fmt: skip
        assert subject in told


def test_it_is_loaded_as_the_daemons_user_in_their_environment(notes):
    notes.add(
        "import os, pathlib, sys\n"
        "raise RuntimeError([os.getuid(), os.getcwd(), sys.flags.safe_path, sys.argv,\n"
        "    os.environ.get('PYTHONPATH'), os.environ['LANG'], os.environ['NOTES'],\n"
        "    pathlib.Path('.').exists()])\n"
    )
    with (notes.folder / "notes.env").open("a") as file:
        file.write("NOTES=ours\n")
    status, lines, _ = check(notes.environment() | {"PYTHONPATH": "/nowhere", "LANG": "C"})
    assert status == 1
    uid = int(subprocess.run(["id", "-u", daemon_user() or str(os.getuid())],
                             capture_output=True, check=True, text=True).stdout)  # fmt: skip
    expected = [uid, str(notes.folder), False, ["mod_wsgi"], None, "C.UTF-8", "ours", True]
    assert f"RuntimeError: {expected}" in bad(lines)[0]


def test_warnings_end_with_status_0_and_what_is_wrong_with_1(notes):
    file, line = notes.add("import web.session; web.session.DiskStore('data')\n")
    status, lines, _ = check(notes.environment())
    [warning] = bad(lines)
    assert status == 0
    assert warning.startswith(f"warning {file}:{line}: stores sessions in files")
    file, line = notes.add("1 / 0\n")
    status, lines, _ = check(notes.environment())
    assert status == 1
    assert bad(lines)[0].startswith(f"wrong   {file}:{line}: cannot be imported: ")


def test_a_folder_of_sessions_that_the_daemons_cannot_write_is_wrong(notes):
    if daemon_user() is None:
        (notes.folder / "notes").chmod(0o500)
    place = notes.add("import web.session\ndef keep():\n    web.session.DiskStore('notes')\n")
    status, lines, _ = check(notes.environment())
    [wrong] = bad(lines)
    assert status == 1
    assert wrong.startswith(f"wrong   {place[0]}:{place[1] + 2}: stores sessions in ")
    assert f"chown www-data {notes.folder}/notes" in wrong


def test_a_file_that_the_daemons_cannot_read_is_named(notes):
    closed = notes.folder / "templates" / "index.html"
    closed.chmod(0o600 if daemon_user() else 0)
    status, lines, _ = check(notes.environment())
    assert status == 1
    assert f"cannot read {closed}: run `chmod -R o+rX {closed}`" in bad(lines)[0]


def test_a_closed_package_is_told_by_one_line(notes):
    closed = notes.folder / "notes"
    closed.chmod(0o700 if daemon_user() else 0)
    try:
        _, lines, _ = check(notes.environment())
    finally:
        closed.chmod(0o755)
    told = [line for line in lines if f"cannot read {closed}" in line]
    assert len(told) == 1 and f"chmod -R o+rX {closed}" in told[0]


@pytest.mark.parametrize(
    ("options", "settings", "said"),
    [
        (["--no-such-option"], {}, "--no-such-option"),
        (["--seconds", "0"], {}, "whole number from 1 to 600"),
        (["--csp", ""], {}, "write a policy such as"),
        ([], {"SITE_PTH": "/srv"}, "did you mean SITE_PATH?"),
        ([], {"DATABASE_URI": "oracle://x"}, "DATABASE_URI cannot be used"),
        ([], {"SITE_PATH": "/nowhere"}, "write the absolute path of a folder that is there"),
    ],
)
def test_a_wrong_option_or_setting_ends_with_status_2(folder, options, settings, said):
    status, _, error = check(hermetic_environment(folder) | settings, *options)
    assert status == 2
    assert said in error


def test_the_policy_can_be_given(notes):
    notes.add("<style>p {}</style>\n", "templates/index.html", "<form")
    assert check(notes.environment())[0] == 1
    allowed = "default-src 'self' 'unsafe-inline'"
    assert check(notes.environment(), "--csp", allowed)[0] == 0


def test_the_time_to_load_can_be_given(notes):
    place = notes.add("import time; time.sleep(60)\n")
    status, lines, _ = check(notes.environment(), "--seconds", "1")
    assert status == 1
    assert bad(lines)[0].startswith(f"wrong   {place[0]}:{place[1]}: still loads after 1.0 s")


def test_the_settings_that_serve_has_created_are_used(notes):
    (notes.folder / "data" / "site.env").write_text("DATABASE_URI=sqlite:///nowhere/site.db\n")
    environment = notes.environment(SITE_SETTINGS=None, DATABASE_URI=None)
    status, lines, _ = check(environment, "--var", str(notes.folder / "data"))
    assert status == 1
    assert "/nowhere/site.db: the database is not there" in bad(lines)[0]


def test_a_file_of_the_future_tells_of_a_wrong_clock(notes, checkout):
    os.utime(checkout / "app" / "models.py", (4e9, 4e9))
    shutil.copy(ROOT / "pyproject.toml", checkout)
    subprocess.run(["chmod", "-R", "go+rX", checkout], check=True)
    command = [sys.executable, "-P", "-m", "scripts.lib.check.check"]
    environment = notes.environment() | {"PYTHONPATH": str(checkout)}
    status, lines, said = check(environment, command=command)
    assert (status, len(bad(lines))) == (0, 1), said
    assert bad(lines)[0].startswith(f"warning {checkout}/app/models.py: was written ")
