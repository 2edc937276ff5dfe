"""Sends requests to the counters' application in its own process, without a server.

    python ask.py MODE DATABASE [METHOD PATH]...

Creates the counters in the SQLite file DATABASE; somebody else sets all of them to 5 while
/snapshot reads. Prints as JSON the answers and which modules of app.transactions were imported. An
answer is a pair of status and text, or of "raised" and an exception, which ends a server's answer.
"""

import json
import os
import sqlite3
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), os.environ["PROJECT"]]

from counters import Snapshot, make_app, make_table  # noqa: E402


def main(mode, database, *requests):
    """Print what the module's docstring says."""

    def change():
        with sqlite3.connect(database) as another:
            another.execute("UPDATE counter SET value = 5")
        another.close()

    Snapshot.between = staticmethod(change)
    make_table(database)
    app = make_app(mode, f"sqlite://{database}")
    answers = []
    for method, path in zip(requests[::2], requests[1::2], strict=True):
        try:
            answer = app.request(path, method=method)
            answers.append((answer.status, answer.data.decode()))
        except Exception as error:
            answers.append(("raised", repr(error)))
    modules = [name for name in sys.modules if name.startswith("app.transactions")]
    print(json.dumps({"answers": answers, "modules": modules}))


main(*sys.argv[1:])
