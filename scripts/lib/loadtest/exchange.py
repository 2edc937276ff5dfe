"""One request of a Locust user and its answer: right, wrong, failed, and what it says was done."""

import dataclasses
import itertools
import json
import os
import time
from pathlib import Path

from locust import HttpUser, between

SECONDS_TO_ANSWER = 30
OUTCOME_UNKNOWN = "/problems/outcome-unknown"

# What Locust calls a failure is, with this in front, a wrong answer.
WRONG = "wrong answer: "
EXAMPLES = 100
_noted = itertools.count()


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer: its status (0: there was none), its text, and when the request began and ended.

    Times are in seconds. problem: the answer's problem details (RFC 9457), None if it has none.
    """

    status: int
    text: str
    began: float
    ended: float
    problem: dict | None = None

    @property
    def times(self):
        """When the request began and when its answer was there."""
        return self.began, self.ended

    @property
    def says_unchanged(self):
        """Whether the answer is an error that says that nothing was changed.

        Without an answer, or with one of something between here and the site, nobody knows.
        """
        return self.problem is not None and self.problem.get("type") != OUTCOME_UNKNOWN

    @property
    def json(self):
        """The text as JSON; raises ValueError if it is not."""
        return json.loads(self.text)


class CheckedUser(HttpUser):
    """A user whose every answer is checked. A request is sent once: it is never repeated."""

    abstract = True
    wait_time = between(0, 0.2)

    def __init__(self, environment):
        super().__init__(environment)
        # Neither a netrc file nor a proxy's variable may change what is sent.
        self.client.trust_env = False
        self.headers = {"Authorization": f"Bearer {os.environ['SITE_API_TOKEN']}"}

    def exchange(self, method, path, kind, judge, body=None):
        """Send a request and return its Answer.

        kind: what the request is counted as, together with its method. body: what is sent as
        JSON. judge: takes the Answer and returns None for a right one, what is wrong with it as
        text, or False if it is a failure; it may raise ValueError for one that cannot be read.
        """
        began = time.monotonic()
        with self.client.request(
            method, path, name=kind, json=body, headers=self.headers, catch_response=True,
            timeout=SECONDS_TO_ANSWER, allow_redirects=False,
        ) as response:  # fmt: skip
            answer = _answer(response, began, time.monotonic())
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


def _answer(response, began, ended):
    problem = None
    text = response.text or "" if response.status_code else ""
    if response.headers.get("Content-Type", "").startswith("application/problem+json"):
        try:
            problem = json.loads(text)
        except ValueError:
            problem = None
    return Answer(response.status_code, text, began, ended, problem)


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
