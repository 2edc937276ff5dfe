"""The site in this process, with its own database and settings, and a client for it."""

import contextlib
import io
import json
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from sqlobject import sqlhub

from app import ERROR_PAGE, FOR_PROGRAMS, pages, urls
from app.models import checked
from app.settings import settings
from app.tables import make_database
from app.transactions import transaction_per_request
from app.web import bearer, inputs
from app.web.application import Application
from app.web.problems import unavailable

TOKEN = "the-token-of-these-tests"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Response:
    """An answer as its client sees it."""

    status: int
    headers: dict
    body: bytes
    # The values of Set-Cookie.
    cookies: list

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """Sends requests to a WSGI application, by way of wsgiref's validator."""

    def __init__(self, application, check=validator):
        """`check` wraps the application; None for requests that break the rules of WSGI."""
        self.site = application
        self.application = check(application) if check else application

    def request(self, method, path, body=b"", query="", chunked=False, **environ):
        """Return the Response; `environ` has further WSGI variables; None removes one."""
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
        cookies = [value for name, value in headers if name == "Set-Cookie"]
        return Response(int(status[:3]), dict(headers), content, cookies)

    def get(self, path, query="", **environ):
        return self.request("GET", path, query=query, **environ)

    def send(self, method, path, value=None, token=TOKEN, **environ):
        """Send a value as JSON, with the API's token; PATCH and DELETE change any version."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = {"CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": f"Bearer {token}"}
        if method in ("PATCH", "DELETE"):
            headers["HTTP_IF_MATCH"] = "*"
        return self.request(method, path, body, **headers | environ)


class Browser:
    """Sends the forms of a Client's site, with the cookies that it was given."""

    def __init__(self, client, **environ):
        """`environ`: WSGI variables of each of its requests."""
        self.client = client
        self.environ = environ
        self.jar = {}

    def get(self, path, query="", method="GET", **environ):
        return self._send(method, path, query=query, **environ)

    def post(self, path, fields=(), **environ):
        """Send a form, with this browser's token unless `fields` has another."""
        if "form" not in self.jar:
            self.get("/sign-in")
        text = urlencode({"token": self.jar.get("form", ""), **dict(fields)})
        environ = {"CONTENT_TYPE": FORM} | environ
        return self._send("POST", path, body=text.encode(), **environ)

    def sign_in(self, name, password, **fields):
        return self.post("/sign-in", {"name": name, "password": password, **fields})

    def _send(self, method, path, **more):
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        environ = {**self.environ, "HTTP_COOKIE": cookies, **more}
        answer = self.client.request(method, path, **environ)
        for cookie in answer.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.jar[name] = value
            if not value:
                del self.jar[name]
        return answer


@cache
def password_hash(password):
    """Return the site's hash of a password; computed once, because that takes long."""
    return str(checked({"password": password})["password"])


def add_user(folder, name, password, role="reader"):
    """Add a user to the database of `site_client` as another process does; returns the id."""
    values = (name, f"{name} Full", password_hash(password), role)
    with contextlib.closing(sqlite3.connect(folder / "site.db")) as raw, raw:
        query = "INSERT INTO users (name, fullname, password, role) VALUES (?, ?, ?, ?)"
        return raw.execute(query, values).lastrowid


@cache
def _new_database():
    """A new database file of the site, created once, because hashing passwords takes long."""
    with TemporaryDirectory() as directory:
        load_sqlo = transaction_per_request(f"sqlite://{directory}/site.db")
        load_sqlo()
        make_database()
        sqlhub.processConnection.close()
        del sqlhub.processConnection
        return Path(directory, "site.db").read_bytes()


@contextmanager
def site_client(directory, attempts=10, check=validator, uri=None, **changed):
    """Yield a Client of the site with a fresh database in `directory` and changed settings.

    `attempts`: how often a request that conflicts is run. `check`: the Client's. `uri`: an empty
    database, instead of the one in `directory`.
    """
    used = replace(settings, **{"api_token": TOKEN, "demo": True} | changed)
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
    # The modules that look at the settings while they answer.
    with (
        patch.object(bearer, "settings", used),
        patch.object(inputs, "settings", used),
        patch.object(pages, "settings", used),
    ):
        yield Client(site.wsgifunc(), check)
