"""The site that is loaded, as the script sees it: does it answer, and what is left on it."""

import json
import secrets
import socket
import urllib.error
import urllib.request
from http.client import HTTPException

from scripts.lib.command import CannotRun

SECONDS = 30
PAGE = 1000
# How many keys a lab's mode has after the load, as in the README's example.
KEYS_LEFT = 8


def check_master(place):
    """Check that something listens at (host, port) for workers. Raises CannotRun."""
    try:
        socket.create_connection(place, SECONDS).close()
    except OSError as error:
        raise CannotRun(
            f"nothing to --join at {place[0]}:{place[1]} ({error}): start it there, with --listen"
        ) from None


class Target:
    """A site with an API token: what is done before the load and after it."""

    def __init__(self, url, token, prefix):
        """`url` has no slash at the end; `prefix` is what the names of the run's users have."""
        self.url = url
        self._token = token
        self._prefix = prefix
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._first = 0

    def prepare(self):
        """Check that the site can be read and written. Raises CannotRun.

        It creates and deletes a user: all users of the run get higher ids.
        """
        status, answer = self._request("GET", "/healthz")
        if (status, answer) != (200, "ok\n"):
            raise CannotRun(f"{self.url}/healthz answers {status}, not ok: is --url right?")
        user = {"fullname": "Load Test", "password": secrets.token_hex(8)}
        user["name"] = f"{self._prefix}first"
        status, answer = self._request("POST", "/api/users", user)
        self._check_written(status, 201)
        self._first = answer["id"]
        self._request("DELETE", f"/api/users/{self._first}")

    def prepare_lab(self, mode, keys):
        """Check that the lab's mode is served, and create its keys. Raises CannotRun."""
        status, _ = self._request("POST", f"/lab/{mode}/reset", {"keys": keys, "value": 0})
        if status == 404:
            raise CannotRun(
                f"{self.url}/lab/{mode}/ does not exist: SITE_LAB must be on and Apache have the "
                "Define WEBPY_LAB (scripts/serve --lab sets both)"
            )
        self._check_written(status, 200)

    def clear(self):
        """Delete the users that the run has left on the site; returns how many there were."""
        after, found = self._first, []
        while after is not None:
            path = f"/api/users?limit={PAGE}&after={after}"
            status, answer = self._request("GET", path)
            if status != 200:
                raise CannotRun(f"{self.url}{path} answers {status}")
            found += [u["id"] for u in answer["users"] if u["name"].startswith(self._prefix)]
            after = answer["next"]
        for number in found:
            self._request("DELETE", f"/api/users/{number}")
        return len(found)

    def clear_lab(self, mode):
        """Leave only KEYS_LEFT of the mode's keys."""
        self._request("POST", f"/lab/{mode}/reset", {"keys": KEYS_LEFT, "value": 0})

    def _check_written(self, status, expected):
        if status == 401:
            raise CannotRun("SITE_API_TOKEN is not the token of this site: set it to the site's")
        if status == 403:
            raise CannotRun("writing is off at this site: set SITE_API_TOKEN there")
        if status != expected:
            raise CannotRun(f"{self.url} answers a write with {status}")

    def _request(self, method, path, body=None):
        """Return (status, answer): JSON as values, anything else as text."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        headers["If-Match"] = "*"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=SECONDS) as response:
                text = response.read().decode()
                is_json = response.headers.get_content_type() == "application/json"
                return response.status, json.loads(text) if is_json else text
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise CannotRun(f"{self.url} is not reachable ({reason}): is --url right?") from None
