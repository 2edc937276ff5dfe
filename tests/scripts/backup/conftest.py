"""The example's database on each engine, and the scripts that back it up and restore it."""

import subprocess
import sys

import pytest

from scripts.lib.command import ROOT
from tests.apache.server import folders, hermetic_environment, run_as_daemon
from tests.servers import Files

ENGINES = ["sqlite", "postgres", "mariadb"]


class Example:
    """The example's database on one engine, with the environment that names it."""

    def __init__(self, folder, server, uri):
        self.folder, self.uri, self._server = folder, uri, server
        self.environment = hermetic_environment(folder) | {"DATABASE_URI": uri}
        self.run("app.database")

    def run(self, module, *arguments):
        run_as_daemon(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT, env=self.environment, capture_output=True,
        )  # fmt: skip

    def script(self, verb, *arguments):
        """Run scripts/backup or scripts/restore; returns the CompletedProcess."""
        environment = self.environment | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-P", "-m", f"scripts.lib.backup.{verb}"]
        command += map(str, arguments)
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def execute(self, query):
        return self._server.execute(query, self.uri.rpartition("/")[2])

    def names(self):
        return [name for (name,) in self.execute("SELECT name FROM users ORDER BY id")]


@pytest.fixture(params=ENGINES)
def example(request, tmp_path):
    """The example's database with its sample users, on each engine."""
    with folders() as folder:
        if request.param == "sqlite":
            server = Files(folder / "data")
        else:
            server = request.getfixturevalue(f"{request.param}_server")
        yield Example(folder, server, server.new_database())


@pytest.fixture
def files(tmp_path):
    """A folder that only root can enter, as one for backups should be."""
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o700)
    return folder
