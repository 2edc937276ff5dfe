"""An answer of the site, and what it says about whether its request was carried out."""

import contextlib
import dataclasses
import json
import time

# The problem type with which the site says that a commit's outcome is unknown.
OUTCOME_UNKNOWN = "/problems/outcome-unknown"


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer: its status (0: there was none), its text, and when the request began and ended.

    Times are in seconds. problem: the answer's problem details (RFC 9457), None if it has none.
    tag: its entity tag, None if it has none.
    """

    status: int
    text: str
    began: float
    ended: float
    problem: dict | None = None
    tag: str | None = None

    @property
    def times(self):
        """When the request began and when its answer was there."""
        return self.began, self.ended

    @property
    def says_unchanged(self):
        """Whether this is the site's own error, after which nothing was changed.

        A 500 is one: its transaction was rolled back. Without an answer, or with one from
        something between here and the site, nobody knows.
        """
        return self.problem is not None and self.problem.get("type") != OUTCOME_UNKNOWN

    def is_same(self, other):
        """Whether it is the same answer as `other`, at another time."""
        return (self.status, self.text, self.tag) == (other.status, other.text, other.tag)

    @property
    def json(self):
        """The text as JSON; raises ValueError if it is not."""
        return json.loads(self.text)


def answer_of(status, headers, text, began):
    """The Answer to a request that began then and has just been answered; status 0: it was not.

    `headers`: a mapping whose names may be in any case.
    """
    problem = None
    if headers.get("Content-Type", "").startswith("application/problem+json"):
        with contextlib.suppress(ValueError):
            problem = json.loads(text)
    known = problem if isinstance(problem, dict) else None
    return Answer(status, text, began, time.monotonic(), known, headers.get("ETag"))
