"""The folder of a script's run, and what ends a script that runs a database server."""

import psycopg
import pytest

from scripts.lib.command import CannotRun
from scripts.lib.results.runs import new_run
from scripts.lib.serving.databases import SERVERS, running


def test_the_newest_run_is_the_latest(tmp_path):
    first, second = new_run(tmp_path / "runs"), new_run(tmp_path / "runs")
    assert first != second
    assert (tmp_path / "runs" / "latest").resolve() == second


def test_a_folder_that_cannot_be_created_is_named_with_the_cure(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(CannotRun, match=f"let this user write to {tmp_path}/runs"):
        new_run(tmp_path / "runs")


def test_the_error_of_a_driver_is_told_as_one_of_its_server(tmp_path, monkeypatch):
    class Server:
        def __init__(self, folder, port, password):
            self.stopped_by = []

        def start(self):
            """Start nothing."""

        def stop(self, mode):
            self.stopped_by.append(mode)

    monkeypatch.setitem(SERVERS, "postgres", Server)
    with pytest.raises(CannotRun, match="refused"), running("postgres", tmp_path) as server:
        raise psycopg.OperationalError("connection refused")
    assert server.stopped_by == ["fast"]
