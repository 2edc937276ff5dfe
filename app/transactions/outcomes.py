"""What an answer of web.py's means for its transaction: by its status, and by who raised it."""

import re
from contextlib import suppress

import web

from .engines.base import Verdict
from .errors import GivenUp, RunEnded

_WEBPY = web.application.wsgifunc.__code__.co_filename
# Its functions that do all work of a request: the answer, and the chunks of a stream.
_ANSWERING = ("wsgi", "build_result")

_STATUS = re.compile("[1-9][0-9][0-9] ")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TEXT = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class HTTPRunEnded(RunEnded, web.HTTPError):
    """A RunEnded that web.py passes on, instead of logging an internal error."""

    data = ""

    def __init__(self, said):
        Exception.__init__(self, said)


def succeeded(error):
    """Whether a handler that raised `error`, or None, answers with a status below 500."""
    if error is not None and not commits(error):
        return False
    return status_of() < 500


def commits(error):
    """Whether a handler that raised `error` has its transaction committed."""
    if not isinstance(error, web.HTTPError) or isinstance(error, RunEnded):
        return False
    return not _raised_by_web_py(error) and status_of(error) < 500


def _raised_by_web_py(error):
    """Whether web.py raised `error` in place of an exception of the handler."""
    return _caught_by_web_py(error) is not None


def _caught_by_web_py(error):
    """Return the exception of the handler in place of which web.py raised `error`, or None.

    Its inner `process()` does that for every exception except HTTPError before a processor sees
    it. So the type of the error does not tell. What `process()` has caught is in the context of
    `error`, even where the application's `internalerror` raises an error instead of returning one.
    """
    caught = error.__context__
    while caught is not None:
        traceback = caught.__traceback__
        if traceback is not None and _is_web_py(traceback.tb_frame, "process"):
            return caught
        caught = caught.__context__
    return None


def given_up(error, transaction):
    """Return the GivenUp that made the handler of `transaction` fail with `error`, or None.

    Each reason except UNKNOWN says that nothing was changed. Whether the handler changed something
    else before is known only if it holds no transaction.
    """
    cause = error if isinstance(error, GivenUp) else _caught_by_web_py(error)
    if not isinstance(cause, GivenUp):
        return None
    unchanged = transaction.paused and not transaction.changed
    return cause if unchanged or cause.reason is Verdict.UNKNOWN else None


def _is_web_py(frame, name=None):
    """Whether `frame` is of web.py's function `name`, or of any, in its application module."""
    return frame.f_code.co_filename == _WEBPY and name in (None, frame.f_code.co_name)


def is_called_by_web_py(frame):
    """Whether `frame` is within a request that web.py answers."""
    while frame is not None and not _is_web_py(frame):
        frame = frame.f_back
    return frame is not None


def is_without_transactions(frame):
    """Whether `frame` is within a request of web.py whose applications all lack the processor.

    web.ctx does not tell: a request whose answer was not read to its end leaves it full. And
    web.py runs the main module once more within web.application().
    """
    while frame is not None and not any(_is_web_py(frame, name) for name in _ANSWERING):
        frame = frame.f_back
    if frame is None:
        return False
    applications = web.ctx.get("app_stack", ())
    return not any(opens_transactions(one) for app in applications for one in app.processors)


def opens_transactions(processor):
    """Whether `processor` is one that `transaction_per_request` has returned."""
    return getattr(processor, "opens_transactions", False) is True


def status_of(error=None):
    """Return the status of the answer `error`, an HTTPError, or of web.ctx; 500 without one.

    An HTTPError without a status is sent with that of web.ctx.
    """
    if error is not None and error.args:
        with suppress(ValueError):
            return int(str(error.args[0])[:3])
    try:
        return int(str(web.ctx.status)[:3])
    except (AttributeError, ValueError):
        return 500


def check_sendable(status, headers):
    """Raise ValueError for what no server can send: it would be noticed only after the commit.

    A status line is three digits, a space and a reason. It and the headers are text in Latin-1
    without control characters, and a header's name has no spaces (PEP 3333, RFC 9110).
    """
    # A number may still become text outside.
    if isinstance(status, str) and not _STATUS.match(status):
        raise ValueError(
            f"the answer has {status!r} as its status, which cannot be sent: write three digits, "
            'a space and a reason, as "404 Not Found"'
        )
    for name, _ in headers:
        if not _NAME.fullmatch(str(name)):
            raise ValueError(
                f"the answer has a header named {name!r}, which cannot be sent: write letters, "
                "digits and hyphens"
            )
    for text in (status, *(value for _, value in headers)):
        if not _TEXT.fullmatch(str(text)):
            raise ValueError(
                f"the answer has {text!r} in its status or headers, which cannot be sent: quote "
                "control characters and those outside of Latin-1 by urllib.parse.quote()"
            )


def plain_503(headers, reason):
    """Return the answer to a request that was given up, for `reason`, a Verdict."""
    headers = {"Content-Type": "text/plain; charset=utf-8", **headers}
    return web.HTTPError("503 Service Unavailable", headers, f"{reason.value}\n")
