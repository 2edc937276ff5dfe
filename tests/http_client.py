"""The site in this process, with its own database and settings, and a client for it."""

import io
import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from sqlobject import sqlhub

from app import ERROR_PAGE, FOR_PROGRAMS, pages, urls
from app.settings import settings
from app.tables import make_database
from app.transactions import transaction_per_request
from app.web import bearer, csrf, inputs
from app.web.application import Application
from app.web.problems import unavailable

TOKEN = "the-token-of-these-tests"
KEY = "the secret key that only these tests have"


@dataclass
class Response:
    """An answer as its client sees it."""

    status: int
    headers: dict
    body: bytes

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """Sends requests to a WSGI application, by way of wsgiref's validator."""

    def __init__(self, application, check=validator):
        """`check` wraps the application; None where a request is to break the rules of WSGI."""
        self.site = application
        self.application = check(application) if check else application

    def request(self, method, path, body=b"", query="", chunked=False, **environ):
        """Return the Response; `environ` holds further WSGI variables, None takes one out."""
        variables = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path}
        variables |= {"QUERY_STRING": query, "wsgi.input": io.BytesIO(body)}
        variables["wsgi.errors"] = io.StringIO()
        if chunked:
            variables["HTTP_TRANSFER_ENCODING"] = "chunked"
        elif body:
            variables["CONTENT_LENGTH"] = str(len(body))
        variables |= environ
        variables = {name: value for name, value in variables.items() if value is not None}
        setup_testing_defaults(variables)
        started = []
        answer = self.application(
            variables, lambda status, headers, error=None: started.append((status, headers))
        )
        try:
            content = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        [(status, headers)] = started
        return Response(int(status[:3]), dict(headers), content)

    def get(self, path, query="", **environ):
        return self.request("GET", path, query=query, **environ)

    def send(self, method, path, value=None, token=TOKEN, **environ):
        """Send a value as JSON, with the API's token."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = {"CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": f"Bearer {token}"}
        return self.request(method, path, body, **headers | environ)


@cache
def _new_database():
    """The file of a database as the site makes it: to hash its users' passwords takes long."""
    with TemporaryDirectory() as directory:
        load_sqlo = transaction_per_request(f"sqlite://{directory}/site.db")
        load_sqlo()
        make_database()
        sqlhub.processConnection.close()
        del sqlhub.processConnection
        return Path(directory, "site.db").read_bytes()


@contextmanager
def serving(directory, attempts=10, check=validator, uri=None, **changed):
    """Yield a Client of the site with a fresh database in `directory` and changed settings.

    `attempts`: how often a request that conflicts is run. `check`: the Client's. `uri`: that of
    an empty database instead of the one in `directory`.
    """
    used = replace(settings, **{"api_token": TOKEN, "secret_key": KEY, "demo": True} | changed)
    if not uri and not Path(directory, "site.db").exists():
        Path(directory, "site.db").write_bytes(_new_database())
    load_sqlo = transaction_per_request(
        uri or f"sqlite://{directory}/site.db",
        timeout=1,
        attempts=attempts,
        unavailable=unavailable,
    )
    load_sqlo()
    make_database()
    del sqlhub.processConnection
    site = Application(urls, for_programs=FOR_PROGRAMS, error_page=ERROR_PAGE)
    site.add_processor(load_sqlo)
    # The four modules that look at the settings while they answer.
    with (
        patch.object(csrf, "settings", used),
        patch.object(bearer, "settings", used),
        patch.object(inputs, "settings", used),
        patch.object(pages, "settings", used),
    ):
        yield Client(site.wsgifunc(), check)
