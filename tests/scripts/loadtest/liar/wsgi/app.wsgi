"""The site behind a liar: each third change and each second deletion is told and not done."""

import itertools
import json
import os
import sys

os.environ["DATABASE_URI"] = f"sqlite://{os.environ['TEST_DATA']}/site.db"
sys.path.insert(0, os.environ["PROJECT"])

from app import application as _site
from app import load_sqlo
from app.tables import make_database, make_file

load_sqlo()
make_file()
make_database()
_told = itertools.count()


def application(environ, start_response):
    method = environ["REQUEST_METHOD"]
    if method == "DELETE" and next(_told) % 2:
        start_response("204 No Content", [])
        return []
    if method == "PATCH" and not next(_told) % 3:
        return _changed(environ, start_response)
    return _site(environ, start_response)


def _changed(environ, start_response):
    sent = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    statuses = []
    reading = {**environ, "REQUEST_METHOD": "GET", "CONTENT_LENGTH": "0"}
    text = b"".join(_site(reading, lambda status, headers, *_: statuses.append((status, headers))))
    answer = json.dumps(json.loads(text) | json.loads(sent)).encode()
    status, headers = statuses[0]
    headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    start_response(status, headers)
    return [answer]
