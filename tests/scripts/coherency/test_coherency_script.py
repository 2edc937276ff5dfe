"""scripts/coherency from beginning to end, on a few workloads for a few seconds."""

import gc
import json
import os
import socket
import subprocess
from collections import Counter

import pytest

from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.experiment import rounds
from scripts.lib.coherency.history import Operation, from_lines
from scripts.lib.coherency.load.drive import ClientPool, run_workload
from scripts.lib.coherency.load.faults import disturb, faults_on
from scripts.lib.coherency.load.final_reads import SQL, from_inside
from scripts.lib.coherency.load.target import Target
from scripts.lib.coherency.options import parse_options
from scripts.lib.coherency.workloads import WORKLOADS
from scripts.lib.command import ROOT
from scripts.lib.serving.own_site import own_site
from scripts.lib.serving.ports import free_port
from tests.apache.server import pypi_module
from tests.scripts.runs import folder_of_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
OWN = {name: value for name, value in os.environ.items() if name != "SITE_API_TOKEN"}
COMMAND = ["scripts/coherency", "--seconds", "4", "--modes", "recipe", "bundle"]
COMMAND += ["--workloads", "counter", "crash"]


def test_the_recipe_shows_its_faults_and_the_bundle_none():
    pypi_module()
    command = [*COMMAND, "--processes", "2"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "| counter | bundle |" in run.stdout
    folder = folder_of_run(run.stdout)
    results = json.loads((folder / "results.json").read_text())
    found = {(result["workload"], result["mode"]): result["anomalies"] for result in results}
    assert "lost update" in found["counter", "recipe"]
    assert "G1a" in found["crash", "recipe"]
    assert found["counter", "bundle"] == found["crash", "bundle"] == {}
    assert run.stdout.startswith((folder / "results.md").read_text().split("\n\n", 1)[1][:-1])
    assert "G1a: crash, recipe" in (folder / "report.html").read_text()
    assert json.loads((folder / "configuration.json").read_text())["seed"] == 0
    assert "AskedFor" in (folder / "error.log").read_text()
    plots = {path.name for path in folder.glob("*.svg")}
    assert plots == {"summary.svg", "time-recipe.svg", "time-bundle.svg"}
    assert {path.with_suffix(".png").name for path in folder.glob("*.svg")} == {
        path.name for path in folder.glob("*.png")
    }
    for result in results:
        name = f"{result['mode']}-{result['workload']}.jsonl"
        history = from_lines((folder / "history" / name).read_text().splitlines())
        assert len(history) == result["operations"]
        checked = WORKLOADS[result["workload"]].judged(history)
        assert checked.outcome is Outcome[result["outcome"].upper()]
        assert checked.counts == result["anomalies"]


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_the_bundle_is_valid_on_a_database_server(engine, request):
    request.getfixturevalue(f"{engine}_server")
    pypi_module()
    command = ["scripts/coherency", "--database", engine, "--seconds", "4", "--processes", "2"]
    command += ["--modes", "recipe", "bundle", "--workloads", "counter", "list-append"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert {"postgres": "PostgreSQL", "mariadb": "MariaDB"}[engine] in run.stdout
    assert "| counter | bundle |" in run.stdout


@pytest.mark.alone
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_under_every_fault_the_bundle_loses_no_acknowledged_write_and_recovers(engine, request):
    if engine != "sqlite":
        request.getfixturevalue(f"{engine}_server")
    pypi_module()
    command = ["scripts/coherency", "--faults", "--database", engine, "--seconds", "12"]
    command += ["--processes", "2", "--modes", "bundle"]
    command += ["--workloads", "counter", "set", "register"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "| kill -9 |" in run.stdout
    folder = folder_of_run(run.stdout)
    results = json.loads((folder / "results.json").read_text())
    met = Counter()
    for fault in (fault for result in results for fault in result["faults"]):
        met[fault["name"]] += fault["count"]
    assert set(met) == faults_on(engine)
    assert min(met.values()) > 0
    for result in results:
        assert (result["outcome"], result["anomalies"]) == ("valid", {})
        name = f"bundle-{result['workload']}.jsonl"
        history = from_lines((folder / "history" / name).read_text().splitlines())
        writes = [one for one in history if one.ok and not one.steps("read")]
        for fault in result["faults"]:
            assert any(write.t0 > fault["t1"] for write in writes), fault
        assert [one.ok for one in history if one.host == SQL] == [True]


@pytest.mark.alone
def test_acknowledged_writes_that_a_crash_loses_are_found(postgres_server):
    """PostgreSQL acknowledges here before it writes its log."""
    pypi_module()
    command = ["--faults", "--database", "postgres", "--seconds", "4", "--workloads", "set"]
    options = parse_options(command)
    with own_site("postgres", 2, 2, lab=True) as lab, ClientPool(options.clients) as pool:
        for setting in ("synchronous_commit = off", "wal_writer_delay = '10s'"):
            lab.server.execute(f"ALTER SYSTEM SET {setting}")
        lab.server.execute("SELECT pg_reload_conf()")
        target = Target(lab.apache, "bundle", 2, lab.server)
        address = (lab.url, lab.token)

        def crash():
            return disturb(target, ["database crash"], options.seconds, None)

        load = run_workload(pool, address, "bundle", "set", options, crash)
        final = from_inside(pool, address, "bundle", "set", target, options.clients)
    result = final.judged(WORKLOADS["set"].check(load.history + final.history))
    assert result.outcome is Outcome.INVALID
    assert "lost write" in result.counts


def test_loads_are_repeated_for_some_hours_with_further_seeds_and_added_up(tmp_path):
    pypi_module()
    command = ["--hours", "0.0001", "--seconds", "1", "--modes", "bundle", "--workloads", "set"]
    options = parse_options([*command, "--processes", "2"])
    with own_site("sqlite", 2, 2, lab=True) as lab:
        *_, ((row,), _) = rounds(lab, options, tmp_path)
    assert row.seeds == options.seed + 1 == 2
    assert (row.result.outcome, row.result.counts) == (Outcome.VALID, {})
    history = from_lines((tmp_path / "history" / "bundle-set.jsonl").read_text().splitlines())
    assert 0 < len(history) < row.operations
    elle = (tmp_path / "history" / "bundle-set.list-append.edn").read_text().splitlines()
    assert len(elle) == 2 * len(history)


def in_memory():
    """How many Operations of the workload set there are."""
    gc.collect()
    operations = (one for one in gc.get_objects() if type(one) is Operation)
    return sum(one.f == "set" for one in operations)


def test_loads_are_repeated_until_each_mode_has_had_its_operations(tmp_path, capsys):
    pypi_module()
    command = ["--operations", "1", "--seconds", "1", "--modes", "bundle", "--workloads", "set"]
    options = parse_options([*command, "--processes", "2"])
    with own_site("sqlite", 2, 2, lab=True) as lab:
        before = []
        for rows, _ in rounds(lab, options, tmp_path):
            before.append(rows)
            # However fast the first round is, there must be another one.
            options.operations = before[0][0].operations + 1
            assert in_memory() == 0, "what was checked and is valid is kept"
    ((row,), *before) = reversed(before)
    assert row.seeds == 1 + len(before) == 2
    assert row.operations >= options.operations
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(before)
    assert all("0 anomalies of the bundle" in line for line in told)


def test_a_running_site_is_driven_by_its_address():
    pypi_module()
    with own_site("sqlite", 2, 2, lab=True) as lab:
        command = ["scripts/coherency", "--url", lab.url, "--seconds", "2"]
        command += ["--modes", "bundle", "--workloads", "counter"]
        environment = OWN | {"SITE_API_TOKEN": lab.token}
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
        assert run.returncode == 0, run.stdout + run.stderr
        assert f"- site: {lab.url}" in run.stdout
        assert f"- hosts that answered: {socket.gethostname()}" in run.stdout
        environment["SITE_API_TOKEN"] = "token-of-another-site"
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
        assert run.returncode == 2
        assert "401: SITE_API_TOKEN must be the site's" in run.stderr


def test_a_site_that_is_away_or_has_no_lab_is_named_with_the_cure(site):
    environment = OWN | {"SITE_API_TOKEN": site.token}
    for url, told in (
        (site.url, "that site needs SITE_LAB on"),
        (f"http://127.0.0.1:{free_port()}", "is not reachable"),
    ):
        command = ["scripts/coherency", "--url", url]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
        assert (run.returncode, run.stdout) == (2, "")
        assert told in run.stderr
