"""The peers of scripts/benchmark: each answers as ours does, and its writes are saved."""

import contextlib
import json
import subprocess

import httpx
import pytest
from sqlobject import connectionForURI

from scripts.lib.benchmark.options import parse_options
from scripts.lib.benchmark.peers import PEERS, peer_environments
from scripts.lib.benchmark.sites import sites
from scripts.lib.command import ROOT, CannotRun
from tests.apache.server import hermetic_environment, pypi_module
from tests.peers import have_peers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:The reconnect parameter:DeprecationWarning"),
]


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mariadb"])
def test_each_peer_answers_and_writes_as_ours_does(database):
    pypi_module()
    have_peers(database)
    sizes = ["--processes", "1", "--threads", "2", "--database", database]
    with sites(parse_options([*sizes, "--peers", "--modes", "default"])) as served:
        ours = served.pop("default")
        assert set(served) == set(PEERS)
        for path in ("/empty", "/row", "/twenty", "/list"):
            expected = httpx.get(ours.url + path).raise_for_status().text
            found = {mode: httpx.get(site.url + path).text for mode, site in served.items()}
            assert found == dict.fromkeys(PEERS, expected), path
        for mode, site in served.items():
            before = written(site)
            answers = [httpx.post(site.url + "/write").text for _ in range(5)]
            assert (mode, answers, written(site) - before) == (mode, ["written"] * 5, 5)


def written(site):
    """The sum of all numbers, which a write adds one to."""
    with contextlib.closing(connectionForURI(site.database, cache=False)) as con:
        return int(con.queryOne("SELECT SUM(number) FROM item")[0])


def test_the_table_has_the_peers_and_the_ratios_to_the_bare_driver(tmp_path):
    pypi_module()
    have_peers("sqlite")
    options = ["--rounds", "1", "--seconds", "1", "--routes", "row", "--modes", "bundle"]
    run = subprocess.run(
        [ROOT / "scripts" / "benchmark", "--peers", *options],
        env=hermetic_environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    kept = json.loads((ROOT / "var" / "benchmark" / "latest" / "results.json").read_text())
    assert [row["mode"] for row in kept["rows"]] == ["bundle", *PEERS]
    assert all(row["errors"] == 0 and row["ratios"]["raw"][0] > 0 for row in kept["rows"])
    assert {"Flask", "SQLAlchemy", "Django"} <= set(kept["configuration"])
    assert " to raw (range) |" in run.stdout


def test_an_environment_that_cannot_be_created_is_told_with_the_cure(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.lib.benchmark.peers.ENVIRONMENTS", tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(CannotRun, match="leave flask out"):
        peer_environments(["raw", "flask"], "sqlite")
