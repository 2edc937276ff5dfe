"""What an answer says about whether its request was carried out."""

import json

import pytest

from scripts.lib.loadtest.answer import OUTCOME_UNKNOWN, answer_of

PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("status", "content_type", "text", "unchanged"),
    [
        (503, PROBLEM, json.dumps({"type": "about:blank", "status": 503}), True),
        (404, PROBLEM, json.dumps({"status": 404}), True),
        (503, PROBLEM, json.dumps({"type": OUTCOME_UNKNOWN}), False),
        (502, "text/html", "<html>", False),
        (500, PROBLEM, "cut off", False),
        (500, PROBLEM, "[]", False),
        (0, "", "", False),
    ],
)
def test_only_a_problem_of_the_site_says_that_nothing_was_changed(
    status, content_type, text, unchanged
):
    assert answer_of(status, {"Content-Type": content_type}, text, 0).says_unchanged is unchanged


def test_the_unknown_outcome_is_named_as_the_site_names_it():
    from app.web import problems

    assert problems.OUTCOME_UNKNOWN == OUTCOME_UNKNOWN
