"""Drives the site of the checkout that it stands in, and prints what was found as JSON.

The trial runs it in its copy: an experiment without report and plots.
"""

import json
import sys
import tempfile
from pathlib import Path

from scripts.lib.coherency.experiment import lab_of, run_all
from scripts.lib.coherency.options import parse_options
from scripts.lib.command import run


def main(arguments):
    """Take the experiment's options and print a list of [outcome, {anomaly: number}]."""
    options = parse_options(arguments)
    with tempfile.TemporaryDirectory() as folder, lab_of(options) as lab:
        rows, _ = run_all(lab, options, Path(folder))
    json.dump([[row.result.outcome.name, row.result.counts] for row in rows], sys.stdout)
    return 0


if __name__ == "__main__":
    run("scripts/coherency --mutants", main)
