"""The commands in the documents run; docker compose's are tests/docker/test_commands.py's."""

import subprocess
import sys

import pytest

from app.settings import ROOT
from scripts.lib.serving.own_site import daemon_user
from tests.apache.server import folders, hermetic_environment, run_as_daemon
from tests.documents import all_commands
from tests.peers import have_peers

COMMANDS = [command for command in all_commands() if "docker compose" not in command]
SHORT = "--rounds 1 --seconds 1"
AS_SITE = f"--user {daemon_user()}" if daemon_user() else ""
NOTHING = "-k test_no_link"
# What a command needs to end soon here: options that shorten it, lines to type.
SHORTENED = {
    "scripts/check": ("", ""),
    "scripts/serve": ("--help", ""),
    "scripts/serve --database postgres": ("--help", ""),
    "scripts/serve --lab": ("--help", ""),
    "scripts/test": (f"--strict tests/unit/test_documents.py {NOTHING}", ""),
    "scripts/test --quick": (f"-n 0 tests/unit/test_documents.py {NOTHING}", ""),
    "scripts/shell": ("", "print('users:', len(list(User.select())))\n"),
    "scripts/benchmark": (f"{SHORT} --modes default bundle --routes row", ""),
    "scripts/benchmark --contention": ("--seconds 1", ""),
    "scripts/benchmark --peers": (f"{SHORT} --modes default --routes row", ""),
    "scripts/benchmark --open-loop": (f"{SHORT} --modes bundle --routes row", ""),
    "scripts/benchmark --growth": (f"processes=1 {SHORT} --modes bundle", ""),
    "scripts/benchmark --memory": ("20000 --rows 2000 --kept-rows 500 --modes bundle", ""),
    "scripts/coherency": ("--seconds 4 --modes bundle --workloads register", ""),
    "scripts/loadtest": ("--seconds 2 --users 5", ""),
    "scripts/backup /srv/backups/site.backup": (AS_SITE, ""),
    "scripts/backup --keep 14 /srv/backups": (AS_SITE, ""),
    "scripts/restore /srv/backups/site.backup": (AS_SITE, ""),
    ".venv/bin/python -m app.database": ("", ""),
    ".venv/bin/python -m app.database --check": ("", ""),
    # Its first line is as good a password as any.
    ".venv/bin/python -m app.database --add-editor ada": ("--password-file LICENSE", ""),
}
NEED_TABLES = (
    "scripts/check",
    "scripts/shell",
    "scripts/backup",
    "scripts/restore",
    "--check",
    "--add-editor",
)
BEFORE = {"scripts/restore /srv/backups/site.backup": "scripts/backup /srv/backups/site.backup"}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command):
    """scripts/serve at full length is tests/scripts/test_serve.py; scripts/test is this run."""
    options, typed = SHORTENED[command]
    if "--peers" in command:
        have_peers("sqlite")
    with folders() as folder:
        environment = hermetic_environment(folder)
        environment["DATABASE_URI"] = f"sqlite://{folder}/data/site.db"
        (folder / "backups").mkdir()
        if any(name in command for name in NEED_TABLES):
            made = [sys.executable, "-m", "app.database"]
            run_as_daemon(made, cwd=ROOT, env=environment, capture_output=True)
        if first := BEFORE.get(command):
            subprocess.run(_words(first, SHORTENED[first][0], folder), cwd=ROOT, env=environment)
        run = subprocess.run(
            _words(command, options, folder),
            cwd=ROOT,
            env=environment,
            input=typed,
            capture_output=True,
            text=True,
        )
    assert run.returncode == 0, run.stderr
    assert run.stdout


def _words(command, options, folder):
    return [*command.replace("/srv/", f"{folder}/").split(), *options.split()]
