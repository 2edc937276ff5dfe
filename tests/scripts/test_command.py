"""How every script ends as a command, and that its options say what they do."""

import argparse
import importlib
import os
import re
import signal
import subprocess
import sys

import pytest

from scripts.lib.command import ROOT

SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if os.access(path, os.X_OK))
SCRIPTS = [path for path in SCRIPTS if path.is_file()]
# Scripts that run a Python module, with its name.
MODULES = {
    path.name: found[1]
    for path in SCRIPTS
    if (found := re.search(r"exec .* -m (scripts\.lib\.[\w.]+) ", path.read_text()))
}
IN_BASH = [path.name for path in SCRIPTS if path.name not in MODULES]

ENDING = """
from scripts.lib.command import CannotRun, run

def main(arguments):
    {body}

run("scripts/some", main)
"""


def ended(body, hangup="--default-signal=HUP"):
    """Run a script with such a `main` to its end.

    hangup: an option of env(1). Whoever runs the tests may ignore SIGHUP, as nohup does.
    """
    script = [sys.executable, "-c", ENDING.format(body=body), "--some", "option"]
    return subprocess.run(["env", hangup, *script], cwd=ROOT, capture_output=True, text=True)


class ParserUsed(Exception):
    """Ends a script's `main` as soon as it parses; its first argument is the parser."""


@pytest.mark.parametrize("script", MODULES)
def test_every_option_has_a_help_text(script, monkeypatch):
    def parse_args(parser, *_):
        raise ParserUsed(parser)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    with pytest.raises(ParserUsed) as used:
        importlib.import_module(MODULES[script]).main([])
    [made] = used.value.args
    assert made.prog == f"scripts/{script}"
    assert made.description
    for action in made._actions:
        assert action.help and action.help != argparse.SUPPRESS, action.option_strings


@pytest.mark.parametrize("script", IN_BASH)
def test_a_script_in_bash_names_its_options_in_its_help(script):
    path = ROOT / "scripts" / script
    options = re.findall(r"^ +(--\w+)\)", path.read_text(), re.MULTILINE)
    done = subprocess.run([path, "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"scripts/{script} {option} " in done.stdout for option in options)
    assert "set -euo" not in done.stdout


def test_the_status_is_what_main_returns():
    assert ended("return 7").returncode == 7


def test_main_is_given_the_arguments():
    assert ended("print(*arguments)").stdout == "--some option\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise CannotRun('no port: choose one with --port')", "no port: choose one with --port"),
        ("open('/nowhere')", "[Errno 2] No such file or directory: '/nowhere'"),
    ],
)
def test_what_keeps_a_script_from_running_is_told_with_status_2(body, message):
    done = ended(body)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"scripts/some: {message}\n"


def test_an_error_of_the_script_itself_shows_its_place_and_has_its_own_status():
    done = ended("return {}['none']")
    assert done.returncode == 2
    assert "Traceback" in done.stderr and "KeyError: 'none'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_script_that_is_told_to_stop_says_so_with_status_130(number):
    body = f"import os; os.kill(os.getpid(), {int(number)}); import time; time.sleep(60)"
    done = ended(body)
    assert (done.returncode, done.stderr) == (130, "scripts/some: stopped\n")


def test_a_script_in_nohup_outlives_its_terminal():
    body = f"import os; os.kill(os.getpid(), {int(signal.SIGHUP)}); return 5"
    done = ended(body, "--ignore-signal=HUP")
    assert (done.returncode, done.stderr) == (5, "")


def test_the_list_of_the_scripts_has_a_line_for_each():
    lines = (ROOT / "scripts" / "README.md").read_text().splitlines()
    listed = [line.split("`")[1] for line in lines if line.startswith("| `scripts/")]
    assert listed == sorted(listed) == [f"scripts/{path.name}" for path in SCRIPTS]
