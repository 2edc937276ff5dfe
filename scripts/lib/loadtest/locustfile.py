"""What Locust loads: the users of one kind, and at the end the totals as JSON.

With workers the totals are those that the master has gathered from them.
"""

import json
import os
import runpy
from pathlib import Path

from locust import events
from locust.runners import WorkerRunner

from scripts.lib.loadtest.exchange import WRONG

if os.environ.get("LOADTEST_LOCUSTFILE"):
    # Locust loads the user classes that it finds in this module.
    globals().update(runpy.run_path(os.environ["LOADTEST_LOCUSTFILE"]))
elif os.environ.get("LOADTEST_PATHS"):
    from scripts.lib.loadtest.path_user import PathUser  # noqa: F401
elif os.environ.get("LOADTEST_LAB"):
    from scripts.lib.loadtest.lab_user import LabUser  # noqa: F401
else:
    from scripts.lib.loadtest.site_user import SiteUser  # noqa: F401

PERCENTILES = (0.50, 0.95, 0.99)


@events.init.add_listener
def write_totals_at_the_end(environment, **_):
    """Have the master, or the only process, write totals.json into the run's folder."""
    if not isinstance(environment.runner, WorkerRunner):
        path = Path(os.environ["LOADTEST_RUN"]) / "totals.json"
        events.quit.add_listener(lambda **_: path.write_text(json.dumps(totals(environment))))


def totals(environment):
    """{"kinds": rows by kind, "total": a row, "errors", "exceptions"} of a run, for JSON."""
    stats = environment.stats
    kinds = sorted(stats.entries.values(), key=lambda entry: (entry.name, entry.method))
    exceptions = environment.runner.exceptions.values()
    return {
        "kinds": [_row(entry, _errors_of(entry, stats)) for entry in kinds],
        "total": _row(stats.total, stats.errors.values()),
        "errors": [
            {"error": error.to_name(), "count": error.occurrences}
            for error in stats.errors.values()
        ],
        "exceptions": [
            {"count": one["count"], "traceback": one["traceback"]} for one in exceptions
        ],
    }


def _errors_of(entry, stats):
    request = (entry.method, entry.name)
    return [error for error in stats.errors.values() if (error.method, error.name) == request]


def _row(entry, errors):
    wrong = sum(error.occurrences for error in errors if _text(error).startswith(WRONG))
    return {
        "kind": f"{entry.method} {entry.name}",
        "requests": entry.num_requests,
        "per_second": entry.total_rps,
        "ms": [entry.get_response_time_percentile(percent) for percent in PERCENTILES],
        "failed": entry.num_failures - wrong,
        "wrong": wrong,
    }


def _text(error):
    """The message of a failure: with workers it comes as the text of its exception."""
    text = error.error if isinstance(error.error, str) else str(error.error)
    return text.removeprefix("CatchResponseError('").removeprefix('CatchResponseError("')
