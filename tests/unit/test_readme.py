"""The README's commands run, and what it lists is there."""

import os
import re
import subprocess
import sys
from dataclasses import fields

import pytest

from app.settings import ROOT, Settings
from tests.apache.server import folders, hermetic_environment, run_as_daemon
from tests.peers import have_peers

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if "docker compose" not in line  # tests/docker/test_readme.py runs those
]
SHORT = "--rounds 1 --seconds 1"
# What a command needs to come to an end here: options that shorten it, lines to type.
SHORTENED = {
    "scripts/check": ("", ""),
    "scripts/serve": ("--help", ""),
    "scripts/serve --database postgres": ("--help", ""),
    "scripts/serve --lab": ("--help", ""),
    "scripts/test": ("--strict tests/unit/test_readme.py -k names", ""),
    "scripts/shell": ("", "print('users:', len(list(User.select())))\n"),
    "scripts/benchmark": (f"{SHORT} --modes default bundle --routes row", ""),
    "scripts/benchmark --contention": ("--seconds 1", ""),
    "scripts/benchmark --peers": (f"{SHORT} --modes default --routes row", ""),
    "scripts/benchmark --open-loop": (f"{SHORT} --modes bundle --routes row", ""),
    "scripts/benchmark --growth": (f"processes=1 {SHORT} --modes bundle", ""),
    "scripts/benchmark --memory": ("20000 --rows 2000 --kept-rows 500 --modes bundle", ""),
    "scripts/coherency": ("--seconds 4 --modes bundle --workloads register", ""),
    "scripts/loadtest": ("--seconds 2 --users 5", ""),
    ".venv/bin/python -m app.database": ("", ""),
    ".venv/bin/python -m app.database --check": ("", ""),
}

NEED_TABLES = ("scripts/check", "scripts/shell", ".venv/bin/python -m app.database --check")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_a_command_runs(command):
    """scripts/serve at full length is tests/scripts/test_serve.py; scripts/test is this run."""
    options, typed = SHORTENED[command]
    if "--peers" in command:
        have_peers("sqlite")
    with folders() as folder:
        environment = hermetic_environment(folder)
        environment["DATABASE_URI"] = f"sqlite://{folder}/data/site.db"
        if command in NEED_TABLES:
            made = [sys.executable, "-m", "app.database"]
            run_as_daemon(made, cwd=ROOT, env=environment, capture_output=True)
        run = subprocess.run(
            [*command.split(), *options.split()],
            cwd=ROOT,
            env=environment,
            input=typed,
            capture_output=True,
            text=True,
        )
    assert run.returncode == 0, run.stderr
    assert run.stdout


def test_every_script_is_listed_and_names_no_other():
    listed = set(re.findall(r"scripts/(\w+)\b(?!\.md)", README))
    files = (path for path in (ROOT / "scripts").iterdir() if path.is_file())
    there = {path.name for path in files if path.name != "README.md"}
    assert listed == there
    assert all(os.access(ROOT / "scripts" / name, os.X_OK) for name in there)


def test_the_settings_table_names_every_variable():
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))
    assert listed == {item.metadata["variable"] for item in fields(Settings) if item.metadata}


def test_the_apache_block_names_defines_that_are_there():
    configuration = (ROOT / "apache" / "site.conf").read_text()
    for name in re.findall(r"Define (\w+)", README):
        assert f"<IfDefine !{name}>" in configuration


def test_every_file_that_the_readme_names_is_there():
    for name in re.findall(r"[`(]((?:app|apache|docker|wsgi|tests|scripts)/[\w./]*)[`)]", README):
        assert (ROOT / name).exists(), name
