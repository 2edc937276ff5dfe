"""Stock is stock: every mode that the bundle is compared with has SQLObject as it comes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.lab.modes import MODES

LOOK = Path(__file__).parent / "look.py"


def look(what, mode, tmp_path, uri=None):
    """Return what look.py prints in its own process."""
    uri = uri or f"sqlite://{tmp_path}/{mode}.db"
    environ = {"PATH": os.environ["PATH"], "DATABASE_URI": uri}
    environ |= {"SITE_API_TOKEN": "the-token-of-these-tests"}
    command = [sys.executable, LOOK, what, mode, uri]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def is_changed(seen):
    """Whether SQLObject was changed; then app.transactions was imported too."""
    assert bool(seen["modules"]) == bool(seen["changed"])
    return bool(seen["changed"])


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_of_the_lab_has_sqlobject_as_it_comes_except_the_bundle(mode, tmp_path):
    seen = look("lab", mode, tmp_path)
    assert seen["answers"] == ["200", "200", "404", "200"]
    assert is_changed(seen) == (mode == "bundle")


@pytest.mark.parametrize("mode", ["bare", "default", "nocache", "recipe", "uncached", "bundle"])
def test_a_mode_of_the_benchmark_has_sqlobject_as_it_comes_except_ours(mode, tmp_path):
    seen = look("benchmark", mode, tmp_path)
    assert set(seen["answers"]) == {"200"}
    assert is_changed(seen) == (mode in ("uncached", "bundle"))


def test_the_site_is_created_when_it_is_asked_for_and_not_by_importing_a_part(tmp_path):
    assert not is_changed(look("nothing", "default", tmp_path))
    made = look("site", "default", tmp_path)
    assert made["answers"] == ["404"]
    assert is_changed(made)


@pytest.mark.parametrize("mode", ["default", "nocache", "recipe"])
@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_a_stock_mode_of_the_lab_needs_nothing_of_ours_on_a_server(
    engine, mode, tmp_path, request
):
    server = request.getfixturevalue(f"{engine}_server")
    seen = look("lab", mode, tmp_path, server.new_database())
    assert seen["answers"] == ["200", "200", "404", "200"]
    assert not is_changed(seen)
