"""docs/monitoring: Prometheus accepts the rules, and each number that they need exists."""

import json
import os
import re
import shutil
import subprocess

import pytest

from app.settings import ROOT

FOLDER = ROOT / "docs" / "monitoring"
NUMBER = re.compile(r"\bsite_[a-z_]+")


def promtool(*arguments):
    places = f"{ROOT}/.venv/prometheus/usr/bin:{os.environ['PATH']}"
    program = shutil.which("promtool", path=places)
    if not program:
        pytest.skip("promtool is missing: run scripts/install --test")
    done = subprocess.run([program, *arguments], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def queries():
    """The queries of the dashboard's panels."""
    board = json.loads((FOLDER / "dashboard.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_promtool_takes_the_configuration_and_the_rules():
    promtool("check", "config", "prometheus.yml")


def test_each_alert_comes_when_it_should_and_only_then():
    promtool("test", "rules", "alerts_test.yml")
    alerts = set(re.findall(r"- alert: (\w+)", (FOLDER / "alerts.yml").read_text()))
    assert alerts == set(re.findall(r"alertname: (\w+)", (FOLDER / "alerts_test.yml").read_text()))


def test_promtool_takes_each_query_of_the_dashboard(tmp_path):
    rules = [
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(queries())
    ]
    assert len(rules) >= 12
    # JSON is YAML.
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "rules.yml"))


def test_each_number_that_is_asked_for_is_there(tmp_path):
    """A process with the metrics on names it."""
    script = (
        "import sys\n"
        "from app.watch.metrics import Metrics\n"
        "from app.watch.present import Present\n"
        "metrics = Metrics(sys.argv[1], ())\n"
        "present = Present(metrics.client)\n"
        "names = [*vars(metrics).values(), *present._gauges.values(), *present._kept.values()]\n"
        "names += [present._queued, present._queue]\n"
        "print(*(one._name for one in names if hasattr(one, '_name')))\n"
    )
    command = [ROOT / ".venv/bin/python", "-c", script, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    there = set(done.stdout.split())
    assert there, done.stderr
    texts = [*queries(), re.sub("summary:.*", "", (FOLDER / "alerts.yml").read_text())]
    asked = {
        re.sub("_(total|bucket|sum|count)$", "", name)
        for text in texts
        for name in NUMBER.findall(text)
    }
    assert asked - there == set()
    # Every other number is asked for.
    assert there - asked <= {"site_processes", "site_threads", "site_kept_rows_drops"}
