"""The benchmark's application in the mode that the environment names."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), os.environ["BENCHMARK_PROJECT"]]

from benchmark_site import make_app  # noqa: E402

application = make_app(os.environ["BENCHMARK_MODE"], os.environ["BENCHMARK_DATABASE"]).wsgifunc()
