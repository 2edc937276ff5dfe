"""SQLObject's own test suite passes through the project's connection classes."""

import re
import subprocess
import sys
from pathlib import Path

import sqlobject

ROOT = Path(__file__).parent.parent
SUITE = Path(sqlobject.__file__).parent


def outcome(tmp_path, uri, *options):
    """Run SQLObject's suite, as installed, on `uri`; return its report and {outcome: count}."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", f"--rootdir={SUITE}"]
    command += ["-p", "no:cacheprovider", *options, "-D", uri, str(SUITE / "tests")]
    run = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    last = run.stdout.strip().splitlines()[-1] if run.stdout.strip() else run.stderr
    counts = {
        word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|skipped)", last)
    }
    return run.stdout + run.stderr, counts


def test_it_passes_on_sqlite_as_it_does_on_the_stock_class(tmp_path):
    report, stock = outcome(tmp_path, f"sqlite://{tmp_path}/stock.db")
    assert stock["passed"] > 200, report
    report, ours = outcome(
        tmp_path, f"sqlite://{tmp_path}/ours.db", "-p", "tests.sqlobject_suite_plugin"
    )
    assert ours == stock, report
    assert "failed" not in ours
