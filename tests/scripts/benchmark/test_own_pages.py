"""scripts/benchmark --path: your own pages with and without the cache, in turn."""

import re
import subprocess

import pytest

from scripts.lib.command import ROOT
from tests import notes
from tests.apache.server import hermetic_environment, pypi_module

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
SHORT = ("--rounds", "1", "--seconds", "1", "--processes", "1", "--threads", "2")


def run(folder, *options):
    pypi_module()
    settings = notes.make(folder / "notes", f"sqlite://{folder}/data/notes.db")
    done = subprocess.run(
        [ROOT / "scripts" / "benchmark", *SHORT, *options],
        env=hermetic_environment(folder) | settings,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_each_page_is_measured_in_both_modes(folder):
    status, said, errors = run(folder, "--path", "/", "--path", "/again")
    assert status == 0, errors
    rows = re.findall(r"^\| (/\S*) \| (\w+) \| [1-9]\d* \| (\d\.\d\d) \|", said, re.MULTILINE)
    assert [row[:2] for row in rows] == [
        ("/", "uncached"), ("/", "bundle"), ("/again", "uncached"), ("/again", "bundle"),
    ]  # fmt: skip
    assert [row[2] for row in rows[::2]] == ["1.00", "1.00"]


def test_a_missing_page_is_told_with_status_2(folder):
    status, _, errors = run(folder, "--path", "/nowhere")
    assert (status, "argument --path: " in errors) == (2, True), errors


def test_an_option_that_does_not_go_with_it_is_told(folder):
    status, _, errors = run(folder, "--path", "/", "--database", "postgres")
    assert (status, "argument --database: --path does not use it" in errors) == (2, True)
