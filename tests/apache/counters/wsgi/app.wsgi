"""The counters in the mode and on the database that the environment names."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), os.environ["PROJECT"]]

from counters import make_app, make_table  # noqa: E402

uri = os.environ.get("COUNTERS_URI")
if not uri:
    database = os.environ["TEST_DATA"] + "/counters.db"
    make_table(database)
    uri = f"sqlite://{database}"
application = make_app(os.environ["MODE"], uri).wsgifunc()
