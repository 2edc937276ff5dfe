"""scripts/install, and what scripts/test chooses and fails on."""

import os
import shutil
import subprocess
import sys

import pytest

from scripts.lib.command import ROOT

PYTEST = [ROOT / ".venv" / "bin" / "python", "-m", "pytest", "-p", "no:cacheprovider"]


def fake_commands(folder, **commands):
    """The environment with shell scripts of these names and texts first on PATH."""
    for name, text in commands.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_second_install_does_nothing_whatever_python3_is_first_on_path(tmp_path):
    install = [ROOT / "scripts" / "install", "--test"]
    subprocess.run(install, check=True)
    environment = fake_commands(tmp_path, python3="exit 1")
    done = subprocess.run(install, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_install_without_root_names_the_missing_packages(tmp_path):
    environment = fake_commands(tmp_path, dpkg_query="exit 1", id="echo 1000")
    done = subprocess.run(
        [ROOT / "scripts" / "install"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "as root run: apt-get install" in done.stderr
    assert "apache2-bin" in done.stderr


def test_install_leaves_a_release_s_environment_alone(tmp_path):
    """scripts/deploy has created it, and daemons run from it."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".release").touch()
    install = shutil.copy(ROOT / "scripts" / "install", tmp_path / "scripts")
    done = subprocess.run([install], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "scripts/deploy has created" in done.stderr
    assert (tmp_path / ".venv").is_dir()


def test_install_says_first_that_it_takes_a_while(tmp_path):
    """Its Python here has no venv, so that it ends after that."""
    (tmp_path / "scripts").mkdir()
    install = shutil.copy(ROOT / "scripts" / "install", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    python = f'[ "$1" != -m ] || exit 7\nexec {sys.executable} "$@"'
    environment = fake_commands(tmp_path, dpkg_query="printf installed", python=python)
    environment |= {"PYTHON": str(tmp_path / "python")}
    done = subprocess.run([install], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr == "scripts/install: installing first, which takes a minute or more\n"


def test_install_names_an_unknown_option():
    done = subprocess.run(
        [ROOT / "scripts" / "install", "--tests"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--tests" in done.stderr


@pytest.mark.parametrize("script", ["benchmark", "coherency", "loadtest"])
def test_a_wrong_setting_stops_a_script_with_its_name(script):
    environment = os.environ | {"SITE_API_TOKEN": "short"}
    command = [ROOT / "scripts" / script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: SITE_API_TOKEN ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("def test_a():\n    pytest.skip('no engine')", 1),
        ("pytest.skip('no module', allow_module_level=True)", 1),
        ("@pytest.mark.xfail(strict=True)\ndef test_a():\n    assert False", 0),
        ("def test_a():\n    pass", 0),
    ],
    ids=["skipped test", "skipped module", "expected failure", "passed"],
)
def test_strict_run_fails_on_a_skip_only(tmp_path, body, status):
    (tmp_path / "test_one.py").write_text(f"import pytest\n\n{body}\n")
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    command = [*PYTEST, "-p", "scripts.lib.strict", "-c", ROOT / "pyproject.toml", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr


@pytest.mark.slow
def test_a_quick_run_leaves_out_what_is_slow_and_what_needs_docker_a_browser_or_load():
    command = [ROOT / "scripts" / "test", "--quick", "--collect-only", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    chosen = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    folders = {"/".join(name.split("/")[:2]) for name in chosen}
    assert folders == {"tests/unit", "tests/contract", "tests/scripts"}
    assert "tests/scripts/test_scripts.py" in chosen
    assert not {"tests/scripts/test_serve.py", "tests/scripts/test_stopping.py"} & chosen
