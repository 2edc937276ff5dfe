"""The application of the faults, on the database that the environment names."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), os.environ["PROJECT"]]

from faults import make_app  # noqa: E402

application = make_app(os.environ["FAULTS_URI"]).wsgifunc()
