"""A client of the lab that notes what it sent and was answered; it never repeats a request."""

import http.client
import itertools
import json
import random
import select
import time
from urllib.parse import quote, urlsplit

from app.lab.handlers import RUNS_HEADER
from app.lab.sessions import COOKIE, HEX_DIGITS
from scripts.lib.coherency.history import FINDING, Operation, frozen, reads_only
from scripts.lib.coherency.load.leaving import Left
from scripts.lib.command import CannotRun

# The problem type with which the site says that a commit's outcome is unknown.
OUTCOME_UNKNOWN = "/problems/outcome-unknown"
SECONDS = 30
BOUNDARY = "the-boundary-of-the-lab"
PART = (
    f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=element; filename=element\r\n\r\n"
    f"{{}}\r\n--{BOUNDARY}--\r\n"
)
CURES = {
    401: ": SITE_API_TOKEN must be the site's;",
    403: ": the site's SITE_API_TOKEN is not set, so writing is off;",
    404: ": that site needs SITE_LAB on and Apache the Define WEBPY_LAB (scripts/serve --lab sets "
    "both);",
}
WRONG_URL = "is --url right?"


class Client:
    """One user of one mode, one request after the other; `history` has its Operations.

    A write that was answered by an error may have happened (type "info"), unless the connection
    was refused or the answer says that it was rolled back (type "fail"). After an "info" the
    client goes on under a new number: `client` plus a multiple of `step`.
    """

    def __init__(self, url, mode, token, client=0, step=1000, leaving=None, seed=0):
        """`url`: the site's, without a slash at the end; `token`: the API's.

        `leaving`: a Leaving (leaving.py) that chooses by `seed` which requests it leaves.
        """
        secure = urlsplit(url).scheme == "https"
        self._connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._address = urlsplit(url).netloc
        self._base = f"{urlsplit(url).path}/lab/{mode}"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._numbers = itertools.count(client, step)
        self._session = client
        self._client = next(self._numbers)
        self._connection = None
        self._leaving, self._choice = leaving, random.Random(f"{seed} leaving")
        self._runs = []
        self.history = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def reset(self, keys, value):
        """Create the keys 1 to `keys` with `value`; raises CannotRun if the lab does not do it."""
        body = {"keys": keys, "value": value}
        address = f"{self._address}{self._base}/reset"
        try:
            status, _, answer = self._exchange("POST", "reset", body)
        except (OSError, http.client.HTTPException) as error:
            raise CannotRun(f"{self._address} is not reachable ({error})") from None
        except ValueError as error:
            raise CannotRun(
                f"{address} does not answer with JSON ({error}): {WRONG_URL}"
            ) from None
        if status != 200:
            raise CannotRun(f"{address} answers {status}{CURES.get(status, '')} {answer}")
        if not (isinstance(answer, dict) and "served_by" in answer):
            raise CannotRun(f"{address} does not answer as the lab does: {WRONG_URL}")

    def transact(self, f, *steps, by="transactions"):
        """Send `steps` as one transaction and return the Operation, called `f`.

        by: what of the mode it is sent to: "transactions", "streams" or "apart".
        """
        body = {"operations": steps}
        return self._note(f, steps, lambda: self._exchange("POST", by, body))

    def get(self, f, *steps, by="transactions"):
        """As `transact`, as one GET."""
        path = f"{by}?operations={quote(json.dumps(steps, separators=(',', ':')))}"
        return self._note(f, steps, lambda: self._exchange("GET", path))

    def visit(self, f, *steps):
        """As `transact`, in the web session of the only key that the steps have."""
        (key,) = {step[1] for step in steps if step[0] != "sleep"}
        cookie = {"Cookie": f"{COOKIE}={key:0{HEX_DIGITS}x}"}
        if reads_only(steps):
            return self._note(f, steps, lambda: self._exchange("GET", "session", None, cookie))
        body = {"operations": steps}
        return self._note(f, steps, lambda: self._exchange("POST", "session", body, cookie))

    def upload(self, f, *steps):
        """Upload the steps, which are a read of a key and an append to it."""
        (_, key), (_, _, element) = steps
        body = PART.format(element).encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        path = f"uploads/{key}"
        return self._note(f, steps, lambda: self._exchange("POST", path, body, kind))

    def read(self, f, *keys):
        """Read `keys` with one GET and return the Operation, called `f`."""
        path = "keys?ids=" + ",".join(map(str, keys))
        steps = tuple(("read", key) for key in keys)
        return self._note(f, steps, lambda: self._exchange("GET", path))

    def close(self):
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, method, path, body=None, headers=None):
        """Return (status, content type, answer): JSON as values, anything else as text.

        A `body` in bytes is sent as it is, any other as JSON.
        """
        if self._connection is None:
            self._connection = self._connect(self._address, timeout=SECONDS)
        data = json.dumps(body).encode() if body is not None and type(body) is not bytes else body
        headers = self._headers | (headers or {})
        patience = self._leaving.patience(self._choice) if self._leaving else None
        try:
            if patience == 0:
                self._send_all_but_the_last_byte(method, path, data or b"", headers)
            else:
                self._connection.request(method, f"{self._base}/{path}", data, headers)
            if patience is not None and not self._answered_within(patience):
                self._leaving.note()
                raise Left
            response = self._connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        kind = response.getheader("Content-Type", "")
        self._runs = response.headers.get_all(RUNS_HEADER, [])
        return response.status, kind, json.loads(text) if "json" in kind else text

    def _send_all_but_the_last_byte(self, method, path, data, headers):
        lines = [f"{method} {self._base}/{path} HTTP/1.1", f"Host: {self._address}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(data)}", "", ""]
        if self._connection.sock is None:
            self._connection.connect()
        self._connection.sock.sendall(("\r\n".join(lines).encode() + data)[:-1])

    def _answered_within(self, seconds):
        return bool(select.select([self._connection.sock], [], [], seconds)[0])

    def _note(self, f, steps, exchange):
        began = time.monotonic_ns()
        odd = ""
        try:
            status, kind, answer = exchange()
        except ConnectionRefusedError:
            outcome, answer = "fail", None
        except (OSError, http.client.HTTPException):
            outcome, answer = "info", None
        except ValueError:
            # A stream that fails ends in the middle.
            outcome, odd, answer = "info", "answered with what is not JSON", None
        else:
            outcome = _outcome(status, kind, answer)
            # 503 is what the site answers when it is away or has given up.
            odd = f"answered {status}" if status >= 500 and status != 503 else ""
        ended = time.monotonic_ns()
        if reads_only(steps) and outcome == "info":
            outcome = "fail"
        operation = self._operation(f, steps, outcome, answer, (began, ended), odd)
        self.history.append(operation)
        if outcome == "info":
            self._client = next(self._numbers)
        return operation

    def _operation(self, f, steps, outcome, answer, times, odd):
        done = _steps_unanswered(steps)
        served_by = {"host": "", "process": 0, "thread": 0}
        runs = 1
        if outcome == "ok":
            done = _steps_answered(steps, answer)
            served_by = answer["served_by"]
            runs = answer.get("runs", 1)
            if self._runs not in ([], [str(runs)]):
                odd = f"run {runs} has the headers {RUNS_HEADER}: {', '.join(self._runs)}"
        return Operation(
            client=self._client,
            session=self._session,
            f=f,
            value=done,
            type=outcome,
            t0=times[0],
            t1=times[1],
            host=served_by["host"],
            pid=served_by["process"],
            thread=served_by["thread"],
            runs=runs,
            odd=odd,
        )


def _outcome(status, kind, answer):
    if status == 200:
        return "ok"
    if not kind.startswith("application/problem+json"):
        return "info"
    says_rolled_back = status == 503 and answer.get("type") != OUTCOME_UNKNOWN
    return "fail" if says_rolled_back or 400 <= status < 500 else "info"


def _steps_unanswered(steps):
    return tuple((*frozen(step), None) if step[0] in FINDING else frozen(step) for step in steps)


def _steps_answered(steps, answer):
    if "operations" not in answer:
        return tuple(frozen(("read", key, answer["values"][str(key)])) for _, key in steps)
    # The client knows what it asked to write; the answer tells only what was found.
    return tuple(
        frozen(told if asked[0] in (*FINDING, "savepoint") else asked)
        for asked, told in zip(steps, answer["operations"], strict=True)
    )
