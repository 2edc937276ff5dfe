"""scripts/loadtest from beginning to end, for a few seconds, on sites that are right and wrong."""

import json
import os
import signal
import subprocess
import time

import httpx
import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.ports import free_port
from tests.apache.server import TOKEN, apache, hermetic_environment, pypi_module

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
LATEST = ROOT / "var" / "loadtest" / "latest"
LIAR = ROOT / "tests" / "scripts" / "loadtest" / "liar"


def started(folder, *options, token=TOKEN):
    """Start scripts/loadtest with these options and an environment without settings."""
    environment = hermetic_environment(folder)
    if token:
        environment["SITE_API_TOKEN"] = token
    return subprocess.Popen(
        [ROOT / "scripts" / "loadtest", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder, *options, token=TOKEN):
    """Run scripts/loadtest to its end; returns (exit status, output, errors)."""
    process = started(folder, *options, token=token)
    output, errors = process.communicate()
    return process.returncode, output, errors


def results():
    """What the last run has left as JSON."""
    return json.loads((LATEST / "results.json").read_text())


def users_of(site):
    return httpx.get(f"{site.url}/api/users?limit=1000").json()["users"]


def test_the_default_mode_of_the_lab_gives_wrong_answers(tmp_path):
    pypi_module()
    options = ("--lab", "default", "--seconds", "3", "--users", "8", "--workers", "2")
    status, output, errors = run(tmp_path, *options)
    assert status == 1, output + errors
    total = results()["total"]
    # The totals are those of both workers: users of each one have seen stale reads.
    assert total["wrong"] > 0
    assert f"| all | {total['requests']} |" in output
    assert "stale read: GET /lab/default/keys" in output
    examples = (LATEST / "wrong-answers.jsonl").read_text().splitlines()
    assert 0 < len(examples) <= total["wrong"]
    assert {json.loads(example)["wrong"] for example in examples} == {"stale read"}


def test_the_bundle_in_the_lab_gives_none(tmp_path):
    pypi_module()
    status, output, errors = run(tmp_path, "--lab", "bundle", "--seconds", "3", "--users", "8")
    assert status == 0, output + errors
    total = results()["total"]
    assert (total["failed"], total["wrong"]) == (0, 0)
    assert total["requests"] > 0
    assert not (LATEST / "wrong-answers.jsonl").exists()


def test_a_running_site_is_loaded_and_nothing_is_left_on_it(site, tmp_path):
    before = users_of(site)
    options = ("--url", site.url, "--seconds", "4", "--users", "10")
    status, output, errors = run(tmp_path, *options)
    assert status == 0, output + errors
    assert users_of(site) == before
    done = results()
    kinds = {row["kind"]: row["requests"] for row in done["kinds"]}
    assert kinds["POST /api/users"] == kinds["DELETE /api/users/[id]"] > 0
    assert {"GET /", "GET /view", "GET /api/users", "PATCH /api/users/[id]"} <= set(kinds)
    assert sum(kinds.values()) == done["total"]["requests"]
    assert done["configuration"]["site"] == site.url
    assert str(LATEST.resolve()) in output
    left = {path.name for path in LATEST.iterdir()}
    assert {"locust.html", "locust_stats.csv", "results.md", "locust.log"} <= left
    assert TOKEN not in "".join(path.read_text() for path in LATEST.iterdir())


def test_a_site_that_tells_of_changes_it_did_not_make_is_found_out(tmp_path):
    settings = {"PROJECT": str(ROOT), "SITE_API_TOKEN": TOKEN}
    with apache(LIAR, processes=1, settings=settings) as liar:
        options = ("--url", liar.url, "--seconds", "4", "--users", "10")
        status, output, errors = run(tmp_path, *options)
    assert status == 1, output + errors
    done = results()
    causes = str(done["errors"])
    assert "deleted user still there" in causes
    assert "stale read" in causes
    assert done["left"] > 0


def test_an_interrupted_run_still_reports_and_leaves_nothing(site, tmp_path):
    before = users_of(site)
    process = started(tmp_path, "--url", site.url, "--users", "6", "--workers", "2")
    deadline = time.monotonic() + 60
    while users_of(site) == before and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 0, output + errors
    assert "| all |" in output
    assert users_of(site) == before
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert f"--host {site.url}" not in running


def test_workers_of_other_machines_join_the_one_that_listens(site, tmp_path):
    before = users_of(site)
    place = f"127.0.0.1:{free_port()}"
    common = ("--url", site.url, "--workers", "1", "--users", "5")
    master = started(tmp_path, *common, "--seconds", "3", "--listen", place)
    status = 2
    deadline = time.monotonic() + 60
    while status == 2 and master.poll() is None and time.monotonic() < deadline:
        status, output, errors = run(tmp_path, *common, "--join", place)
    assert status == 0, output + errors
    output, errors = master.communicate()
    assert master.returncode == 0, output + errors
    assert "POST /api/users" in output
    assert users_of(site) == before


def test_a_missing_master_is_named(site, tmp_path):
    options = ("--url", site.url, "--workers", "1", "--join", "127.0.0.1:9999")
    status, _, errors = run(tmp_path, *options)
    assert status == 2
    assert "nothing to --join at 127.0.0.1:9999" in errors and "--listen" in errors


def test_a_wrong_token_is_named_before_the_load(site, tmp_path):
    status, _, errors = run(tmp_path, "--url", site.url, token="a-token-of-another-site")
    assert status == 2
    assert "SITE_API_TOKEN is not the token of this site" in errors


def test_a_site_that_does_not_answer_is_named(tmp_path):
    status, _, errors = run(tmp_path, "--url", "http://127.0.0.1:9")
    assert status == 2
    assert "http://127.0.0.1:9 is not reachable" in errors and "--url" in errors


def test_a_site_without_the_lab_is_named(site, tmp_path):
    status, _, errors = run(tmp_path, "--url", site.url, "--lab", "bundle")
    assert status == 2
    assert "SITE_LAB" in errors


def test_a_url_without_a_token_is_named(tmp_path):
    status, _, errors = run(tmp_path, "--url", "http://127.0.0.1:9", token=None)
    assert status == 2
    assert "SITE_API_TOKEN is not set" in errors
