"""Conditional requests (RFC 9110, 13): entity tags, and what If-Match and If-None-Match ask."""

import hashlib
import re

import web

from app.web.problems import Problem

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
# One element of a list. An element may be empty (RFC 9110, 5.6.1).
_ELEMENT = re.compile(rf"[ \t]*(?:({_TAG})[ \t]*)?(?:,|\Z)")


def entity_tag(text, version=""):
    """Return the strong entity tag of an answer's `text`.

    `version` distinguishes states that the text does not show. The text counts even with a
    version: a restored backup uses old versions again, and new code may show the same row in
    another way.
    """
    shown = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f'"{version}-{shown}"' if version else f'"{shown}"'


def conditional(text, tag):
    """Return the answer `text` to a GET, or an empty one of status 304 if the client has it.

    Sets ETag to `tag`, and has caches ask each time whether their copy is still valid.
    """
    kept = [pair for pair in web.ctx.headers if pair[0].lower() != "cache-control"]
    web.ctx.headers = [*kept, ("Cache-Control", "no-cache"), ("ETag", tag)]
    if not _none_matches(tag):
        return text
    web.ctx.headers = [pair for pair in web.ctx.headers if pair[0].lower() != "content-type"]
    web.ctx.status = "304 Not Modified"
    return ""


def require_condition():
    """Raise Problem 428 for a request without If-Match (RFC 6585), 400 for a malformed one."""
    if _header("IF_MATCH") is None:
        raise Problem(
            428,
            "Send If-Match with the ETag of what you have read, so that nothing is overwritten "
            "that somebody else has changed since; If-Match: * changes it whatever it is now.",
        )
    _wanted()


def check_condition(tag):
    """Raise Problem 412 where If-Match does not name the entity tag `tag`, or If-None-Match does.

    A weak tag in If-Match never matches (RFC 9110, 13.1.1). Raises Problem 400 for a malformed
    If-Match.
    """
    wanted = _wanted()
    if (wanted is not None and tag not in wanted) or _none_matches(tag):
        raise Problem(412, "It has been changed since you read it: read it again.")


def _wanted():
    """The entity tags in If-Match; None where it is * or missing. Raises Problem 400."""
    text = _header("IF_MATCH")
    if text is None or text.strip() == "*":
        return None
    found = _tags(text)
    if not found:
        raise Problem(400, "If-Match must be * or entity tags as ETag has them, with quotes.")
    return found


def _none_matches(tag):
    """Whether If-None-Match names `tag`, strong or weak; a malformed header names nothing."""
    text = _header("IF_NONE_MATCH") or ""
    return text.strip() == "*" or tag in [one.removeprefix("W/") for one in _tags(text)]


def _tags(text):
    """The entity tags in a list of them; an empty result where it is malformed."""
    found, end = [], 0
    while end < len(text):
        element = _ELEMENT.match(text, end)
        if element is None:
            return []
        found.append(element[1])
        end = element.end()
    return [tag for tag in found if tag]


def _header(name):
    return web.ctx.env.get(f"HTTP_{name}")
