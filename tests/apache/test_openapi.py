"""Schemathesis finds that /api/openapi.json is true, and a test that it is complete."""

import subprocess
import sys

import httpx
import pytest

from app import urls
from app.openapi import DOCUMENT
from app.settings import ROOT
from scripts.lib.serving.own_site import hermetic_environment
from tests.apache.server import apache

ALLOWED = {
    "/api/users": ["GET", "HEAD", "POST", "OPTIONS"],
    "/api/users/{id}": ["GET", "HEAD", "PATCH", "DELETE", "OPTIONS"],
}


@pytest.fixture(scope="module")
def site():
    with apache(path="/wiki/view", defines={"WEBPY_PREFIX": "/wiki"}) as running:
        yield running


@pytest.mark.timeout(300)
def test_schemathesis_finds_nothing(site, tmp_path):
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file"),
        *(ROOT / "tests" / "apache" / "schemathesis.toml", "run"),
        f"{site.url}/wiki/api/openapi.json",
        *("--header", f"Authorization: Bearer {site.token}"),
        *("--max-examples", "12", "--seed", "1", "--request-timeout", "30"),
        *("--no-color", "--output-sanitize", "false"),
    ]
    environment = hermetic_environment(tmp_path) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in site.error_log()


def test_the_document_names_the_addresses_of_the_api_and_their_methods(site):
    patterns = {path for path in urls[::2] if path.startswith("/api/users")}
    assert {path.replace("{id}", "([^/]*)") for path in DOCUMENT["paths"]} == patterns
    for path, methods in ALLOWED.items():
        answer = httpx.options(site.url + "/wiki" + path.replace("{id}", "1"))
        assert answer.headers["Allow"].split(", ") == methods
        there = {method.upper() for method in DOCUMENT["paths"][path]}
        assert there == set(methods) - {"HEAD", "OPTIONS"}


def test_the_document_names_the_place_where_the_site_is_mounted(site):
    answer = httpx.get(site.url + "/wiki/api/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["servers"] == [{"url": "/wiki"}]
    tag = answer.headers["ETag"]
    again = httpx.get(answer.url, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
