"""One request of a Locust user, and its answer counted as right, wrong or failed."""

import itertools
import json
import os
import random
import secrets
import time
from pathlib import Path

from locust import HttpUser, between
from locust.clients import HttpSession, LocustHttpAdapter
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

from scripts.lib.loadtest.answer import answer_of

SECONDS_TO_ANSWER = 30

# A failure in Locust's tables that begins so is a wrong answer.
WRONG = "wrong answer: "
NOT_THE_SAME = "another answer to the same request"
EXAMPLES = 100
# The part of the writes that have an Idempotency-Key.
KEYED = 0.3
_noted = itertools.count()


class OnceMore(Retry):
    """Repeats a request once, on a new connection, if its connection was closed unanswered.

    A server may close an idle persistent connection just when a request is being sent. A client
    then repeats the request, if it only reads (RFC 9112, 9.3.1).
    """

    def __init__(self, **parts):
        super().__init__(**({"total": 1, "connect": 0, "redirect": 0, "status": 0} | parts))

    def increment(self, method=None, url=None, response=None, error=None, **further):
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, **further)


class CheckedUser(HttpUser):
    """A user whose every answer is checked.

    A write is sent once, on a new connection. A read is repeated if the server closes its
    persistent connection while it is being sent.
    """

    abstract = True
    wait_time = between(0, 0.2)

    def __init__(self, environment):
        super().__init__(environment)
        repeating = LocustHttpAdapter(None, max_retries=OnceMore())
        self.client.mount("http://", repeating)
        self.client.mount("https://", repeating)
        self._write_client = self.new_session()
        self._write_client.headers["Authorization"] = f"Bearer {os.environ['SITE_API_TOKEN']}"

    def new_session(self):
        """A requests.Session with its own cookies and a new connection for each request."""
        made = HttpSession(self.host, self.environment.events.request, self)
        # Neither a netrc file nor a proxy's variable may change what is sent.
        made.trust_env = False
        made.headers["Connection"] = "close"
        return made

    def exchange(
        self, method, path, kind, judge, body=None, headers=None, *, client=None, form=None
    ):
        """Send a request and return its Answer.

        kind: what the request is counted as, together with its method. body: what is sent as
        JSON. headers: further ones. form: the fields of a form, sent instead. client: the session
        that sends it, if not the user's for reads or for writes. judge: takes
        the Answer and returns None for a right one, what is wrong with it as text, or False if it
        is a failure; it may raise ValueError for one that cannot be read.
        """
        client = client or (self.client if method == "GET" else self._write_client)
        if client is not self.client:
            client.close()
        began = time.monotonic()
        with client.request(
            method, path, name=kind, json=body, data=form, headers=headers, catch_response=True,
            timeout=SECONDS_TO_ANSWER, allow_redirects=False,
        ) as response:  # fmt: skip
            # Not its `text`: without a charset requests would guess one, for milliseconds.
            text = (response.content or b"").decode("utf-8", "replace")
            answer = answer_of(response.status_code, response.headers, text, began)
            fault = _judged(judge, answer)
            if answer.status == 0:
                response.failure(type(response.error).__name__)
            elif fault is None:
                response.success()
            elif fault is False:
                response.failure(f"{answer.status} {(answer.problem or {}).get('title', '')}")
            else:
                note_wrong(f"{method} {path}", fault, answer)
                response.failure(WRONG + fault)
        return answer

    def write(self, method, path, kind, judge, body, headers=None):
        """As `exchange`; some requests have an Idempotency-Key and are sent again.

        The second answer must be the same. If the first one leaves the outcome unknown, the second
        tells it, and is returned.
        """
        if random.random() > KEYED:
            return self.exchange(method, path, kind, judge, body, headers)
        headers = {**(headers or {}), "Idempotency-Key": f'"{secrets.token_hex(16)}"'}
        first = self.exchange(method, path, kind, judge, body, headers)
        again = f"{kind}, again"
        if first.status in (200, 201):

            def same(answer):
                if answer.status == 503:
                    return False
                return None if answer.is_same(first) else NOT_THE_SAME

            self.exchange(method, path, again, same, body, headers)
        elif not first.says_unchanged:
            return self.exchange(method, path, again, judge, body, headers)
        return first


def _judged(judge, answer):
    try:
        return judge(answer)
    except (ValueError, KeyError, TypeError) as error:
        return f"malformed answer ({type(error).__name__})"


def note_wrong(request, fault, answer):
    """Add a wrong answer to this process's file of examples in the run's folder."""
    if next(_noted) >= EXAMPLES:
        return
    example = {
        "request": request,
        "wrong": fault,
        "status": answer.status,
        "began": answer.began,
        "ended": answer.ended,
        "answer": answer.text[:2000],
    }
    with open(Path(os.environ["LOADTEST_RUN"]) / f"wrong-{os.getpid()}.jsonl", "a") as file:
        print(json.dumps(example, ensure_ascii=False), file=file)
