"""The bank on the database that the environment names, a SQLite file by default."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), os.environ["PROJECT"]]

from bank import make_app  # noqa: E402

uri = os.environ.get("BANK_URI") or f"sqlite://{os.environ['TEST_DATA']}/bank.db"
application = make_app(uri).wsgifunc()
