"""What goes wrong with the recipe in a single thread, and works here."""

import json
import os
import subprocess
import sys

import pytest

from app.settings import ROOT
from tests.apache.counting import fails_on_the_recipe

ASK = ROOT / "tests" / "apache" / "counters" / "ask.py"


@pytest.fixture
def ask(mode, tmp_path):
    """Send requests in a new process, so that the recipe has SQLObject as it comes."""

    def send(*requests):
        command = [sys.executable, ASK, mode, tmp_path / "counters.db", *requests]
        environment = os.environ | {"PROJECT": str(ROOT)}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        said = json.loads(done.stdout)
        imported = bool(said["modules"])
        if imported != (mode == "bundle"):
            raise RuntimeError(f"app.transactions was imported: {imported}")
        return said["answers"]

    return send


@fails_on_the_recipe("fact 3: web.py hides the exception, so the recipe commits")
def test_nothing_is_left_of_a_handler_that_raises(ask):
    crash, *values = ask("POST", "/crash", "GET", "/value/1", "GET", "/value/2")
    if not crash[0].startswith("500"):
        raise RuntimeError(f"the handler has not raised: {crash}")
    assert values == [["200 OK", "0"], ["200 OK", "0"]]


@fails_on_the_recipe("fact 5: sqlite3 begins only before a write, so reads have no snapshot")
def test_a_request_reads_one_snapshot(ask):
    assert ask("GET", "/snapshot") == [["200 OK", "0 0"]]


@fails_on_the_recipe("fact 8: the generator runs after the commit")
def test_a_generator_reads_inside_the_transaction(ask):
    assert ask("GET", "/stream") == [["200 OK", "first 0"]]
