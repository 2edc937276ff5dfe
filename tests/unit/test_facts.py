"""What goes wrong with the recipe in a single thread, and holds here."""

import sqlite3
import sys
from pathlib import Path

import pytest
from sqlobject import sqlhub

from tests.apache.counting import fails_on_the_recipe

sys.path.append(str(Path(__file__).parents[1] / "apache" / "counters"))

from counters import Snapshot, make_app, make_table


@pytest.fixture
def site(mode, tmp_path):
    make_table(tmp_path / "counters.db")
    app = make_app(mode, f"sqlite://{tmp_path}/counters.db")
    yield app
    if hasattr(sqlhub.threadingLocal, "connection"):
        del sqlhub.threadConnection


@fails_on_the_recipe("fact 3: web.py hides the exception, so the recipe commits")
def test_nothing_is_left_of_a_handler_that_raises(site):
    assert site.request("/crash", method="POST").status.startswith("500")
    assert [site.request(f"/value/{number}").data for number in (1, 2)] == [b"0", b"0"]


@fails_on_the_recipe("fact 5: sqlite3 begins only before a write, so reads have no snapshot")
def test_a_request_reads_one_snapshot(site, tmp_path, monkeypatch):
    def change():
        with sqlite3.connect(tmp_path / "counters.db") as another:
            another.execute("UPDATE counter SET value = 5")
        another.close()

    monkeypatch.setattr(Snapshot, "between", staticmethod(change))
    assert site.request("/snapshot").data == b"0 0"


@fails_on_the_recipe("fact 8: the generator runs after the commit")
def test_a_generator_reads_inside_the_transaction(site):
    assert site.request("/stream").data == b"first 0"
