"""The checks before a start: what Apache itself would find out only when requests hang."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.apache import Server, write_configuration
from scripts.lib.serving.modwsgi import check_linkage
from scripts.lib.serving.preflight import check_python_home, check_writable
from tests.apache.server import daemon_user, debian_module, folders, pypi_module, run_as_daemon

CHECK = """
import sys
from pathlib import Path
from scripts.lib.command import CannotRun
from scripts.lib.serving.preflight import check_readable
try:
    check_readable([Path(sys.argv[1])], "somebody")
except CannotRun as error:
    print(error)
"""


@pytest.fixture
def folder():
    with folders() as path:
        yield path


def test_closed_folder_on_the_way_is_named_with_the_cure(folder):
    closed = folder / "home"
    (closed / "site").mkdir(parents=True)
    closed.chmod(0o700 if daemon_user() else 0)
    try:
        command = [sys.executable, "-c", CHECK, closed / "site" / "app.wsgi"]
        done = run_as_daemon(command, cwd=ROOT, capture_output=True, text=True)
    finally:
        closed.chmod(0o700)
    assert f"somebody cannot enter {closed}," in done.stdout
    assert f"chmod o+x {closed}" in done.stdout


def test_a_missing_python_home_is_refused(folder):
    with pytest.raises(CannotRun, match="run scripts/install"):
        check_python_home(folder / "nowhere")


def test_python_home_without_the_packages_is_refused(folder):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    with pytest.raises(CannotRun, match="lacks packages"):
        check_python_home(folder / "venv")


def test_environment_of_the_checkout_is_accepted():
    check_python_home(sys.prefix)
    check_linkage(pypi_module())
    check_linkage(debian_module())


def test_module_linked_to_no_libpython_is_refused():
    with pytest.raises(CannotRun, match="is linked to None"):
        check_linkage(Path("/bin/ls"))


def test_database_of_another_user_is_named_with_the_cure(folder):
    database = folder / "site.db"
    database.touch()
    database.chmod(0)
    code = (
        "import sys; from pathlib import Path; from scripts.lib.serving.preflight import *\n"
        "try: check_writable(Path(sys.argv[1]), 'somebody')\n"
        "except CannotRun as error: print(error)"
    )
    command = [sys.executable, "-c", code, folder]
    done = run_as_daemon(command, cwd=ROOT, capture_output=True, text=True)
    assert "somebody cannot write" in done.stdout
    assert "chown -R somebody:" in done.stdout


def test_own_folder_is_writable(folder):
    check_writable(folder / "data", "somebody")


def test_path_too_long_for_sockets_is_refused(folder):
    deep = folder / ("x" * 80)
    deep.mkdir()
    with pytest.raises(CannotRun, match="too long for Unix sockets"):
        write_configuration(Server(deep, 8080, Path("mod_wsgi.so")))
    assert os.listdir(deep) == []
