"""What the check finds around the application: packages, a locale, room on the disk."""

from pathlib import Path

import pytest

from app.check.findings import OK, WARNING, WRONG
from scripts.lib.check import surroundings


def test_a_package_of_another_version_than_the_tested_one_is_told(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["web.py==0.1", "no-such-package==1"]\n'
    )
    monkeypatch.setattr(surroundings, "ROOT", tmp_path)
    [told] = surroundings._versions(None)
    assert told.level == WARNING
    assert "tested with 0.1; no-such-package is missing, tested with 1" in told.text
    assert told.text.endswith(": run scripts/install")


@pytest.mark.parametrize(("name", "level"), [("C.UTF-8", OK), ("xx_XX.UTF-8", WRONG)])
def test_a_missing_locale_is_told(monkeypatch, name, level):
    monkeypatch.setattr(surroundings, "LOCALE", name)
    [told] = surroundings._locale()
    assert (told.level, name in told.text) == (level, True)


def test_a_disk_without_room_is_told():
    """The kernel's own file system has none."""
    [told] = surroundings._space([Path("/proc")])
    assert told == (WARNING, "disk: /proc has 0 MiB left: make room", None, None)


def test_a_module_that_apache_lacks_is_told(monkeypatch):
    monkeypatch.setattr(surroundings, "CONFIGURATION", "LoadModule x modules/mod_no_such.so\n")
    [told] = surroundings._apache()
    assert told.level == WRONG
    assert "Apache lacks modules/mod_no_such.so: as root run apt-get install" in told.text
