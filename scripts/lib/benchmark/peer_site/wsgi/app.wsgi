"""The peer that the environment names."""

import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

application = importlib.import_module(f"{os.environ['BENCHMARK_MODE']}_peer").application
