"""The folder of a script's results, because `latest` may be another test's by then."""

import re
from pathlib import Path

from scripts.lib.command import ROOT


def folder_of_run(output):
    """The folder that a script has told of on its standard output."""
    [folder] = set(re.findall(rf"{re.escape(str(ROOT))}/var/\w+/[\d-]+", output))
    return Path(folder)
