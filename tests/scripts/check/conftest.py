"""The application with its database: for the tests' own user, and for the daemons'."""

import shutil
import subprocess
import sys

import pytest

from scripts.lib.command import ROOT
from tests.apache.server import run_as_daemon
from tests.scripts.check.applications import Application


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The folder of a database for the application."""
    made = Application(tmp_path_factory.mktemp("application"))
    command = [sys.executable, "-m", "app.database"]
    subprocess.run(command, cwd=ROOT, env=made.environment(), check=True, stdout=subprocess.PIPE)
    return made.folder / "data"


@pytest.fixture
def notes(tmp_path, database):
    """The application, and its database."""
    shutil.copytree(database, tmp_path / "data")
    return Application(tmp_path)


@pytest.fixture
def notes_of_daemons(folder):
    """The application in a folder that the daemons can read, and its database."""
    made = Application(folder)
    for name in ("notes", "templates", "notes.env"):
        subprocess.run(["chmod", "-R", "go+rX", folder / name], check=True)
    command = [sys.executable, "-m", "app.database"]
    run_as_daemon(command, cwd=ROOT, env=made.environment(), stdout=subprocess.DEVNULL)
    return made
