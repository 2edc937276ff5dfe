"""scripts/sbom: the image's bill of materials."""

import json
import subprocess
import sys

import pytest

from scripts.lib.command import ROOT

pytestmark = pytest.mark.timeout(600)
MODULE = [sys.executable, "-P", "-m", "scripts.lib.sbom"]


def sbom(engine, *arguments):
    """Run it as the script does; returns subprocess's CompletedProcess."""
    environment = engine.environment | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([*MODULE, *arguments], env=environment, capture_output=True, text=True)


def test_the_bill_has_debians_packages_and_pythons_and_nothing_that_was_taken_out(
    engine, image, tmp_path
):
    done = sbom(engine, image, "--output", tmp_path / "sbom.json")
    assert done.returncode == 0, done.stderr
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    names = {one["purl"].partition("@")[0] for one in bill["components"]}
    assert {"pkg:deb/debian/apache2-bin", "pkg:pypi/web-py", "pkg:pypi/mod-wsgi"} <= names
    assert not {"pkg:deb/debian/perl", "pkg:pypi/pip"} & names
    assert all(one["version"] for one in bill["components"])


def test_a_missing_image_ends_it_with_the_cure(engine):
    done = sbom(engine, "no-such-image")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no-such-image" in done.stderr and "docker compose build" in done.stderr
