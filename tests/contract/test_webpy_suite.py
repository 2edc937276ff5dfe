"""web.py's own test suite passes with the processor in each of its applications.

scripts/install --test unpacks the suite from web.py's source distribution. `test_db.py` is left
out: it creates no application, and needs its own servers.
"""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import product
from pathlib import Path

import pytest

from tests.contract.site import in_threads

ROOT = Path(__file__).parents[2]
SUITE = ROOT / ".venv" / "webpy-tests"
PLUGIN = ("-p", "tests.contract.webpy_suite_plugin")

# Where the processor stands among the suite's own, and what is done in each request.
ARRANGEMENTS = list(product(("outside", "inside"), ("nothing", "read", "write")))

# A GET that writes comes to nothing once and is run again. These two count in memory how often a
# hook is called, and a hook inside of the processor is called in each run; work to be done only
# once belongs in on_commit. The one sub-application's hook is inside of the outer application's.
RUN_AGAIN = {
    ("outside", "write"): {"testUnload": "failed", "test_processors": "failed"},
    ("inside", "write"): {"test_processors": "failed"},
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """{test: outcome} of the suite without the processor."""
    if not list(SUITE.glob("test_*.py")):
        pytest.skip(f"{SUITE} is missing: run scripts/install --test")
    _, outcomes = run(tmp_path_factory.mktemp("stock"))
    return outcomes


def run(folder, *options):
    """Run the suite as the plugin's `options` say; return its report and {test: outcome}."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", f"--rootdir={SUITE}", *PLUGIN]
    command += ["-p", "no:cacheprovider", "--junit-xml=outcomes.xml", *options]
    command += [f"--ignore={SUITE / 'test_db.py'}", str(SUITE)]
    # The suite leaves its temporary files behind.
    environment = {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    report = ended.stdout + ended.stderr
    assert (folder / "outcomes.xml").exists(), report
    cases = ElementTree.parse(folder / "outcomes.xml").iter("testcase")
    return report, {
        case.get("classname") + "." + case.get("name"): outcome(case) for case in cases
    }


def changed_run(folder, uri, place, use):
    """A function that runs the suite with the processor on `uri`."""
    options = ("--database", uri, "--place", place, "--use", use)
    return lambda: run(folder / f"{place}-{use}", *options)


def outcome(case):
    for tag, word in {"error": "failed", "failure": "failed", "skipped": "skipped"}.items():
        if case.find(tag) is not None:
            return word
    return "passed"


def test_without_the_processor_all_pass(stock):
    assert len(stock) > 50
    assert set(stock.values()) == {"passed"}


def test_each_test_passes_as_without_the_processor(stock, tmp_path, new_uri):
    """And what an answer acknowledges is there, no more and no less."""
    runs = in_threads(*(changed_run(tmp_path, new_uri(), *each) for each in ARRANGEMENTS))
    for arrangement, (report, outcomes) in zip(ARRANGEMENTS, runs, strict=True):
        assert differences(stock, outcomes) == RUN_AGAIN.get(arrangement, {}), report
        acknowledged, there = re.search(r"acknowledged (\d+), there (\d+)", report).groups()
        assert int(acknowledged) > 100
        assert there == (acknowledged if arrangement[1] == "write" else "0")


def differences(stock, outcomes):
    """{name: outcome} of the tests whose outcome is not that of `stock`."""
    assert outcomes.keys() == stock.keys()
    return {
        test.rpartition(".")[2]: outcomes[test] for test in stock if outcomes[test] != stock[test]
    }
