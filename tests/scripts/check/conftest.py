"""The application for scripts/check itself, which looks as the daemons' user."""

import subprocess
import sys

import pytest

from scripts.lib.command import ROOT
from tests.apache.server import run_as_daemon
from tests.scripts.check.applications import Application


@pytest.fixture
def notes(folder):
    """The application in a folder that the daemons can read, and its database."""
    made = Application(folder)
    for name in ("notes", "templates", "notes.env"):
        subprocess.run(["chmod", "-R", "go+rX", folder / name], check=True)
    command = [sys.executable, "-m", "app.database"]
    run_as_daemon(command, cwd=ROOT, env=made.environment(), stdout=subprocess.DEVNULL)
    return made
