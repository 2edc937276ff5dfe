"""The counters in the mode that the environment names."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), os.environ["PROJECT"]]

from counters import make_app  # noqa: E402

application = make_app(os.environ["MODE"], os.environ["TEST_DATA"] + "/counters.db").wsgifunc()
