"""Errors as clients read them: problem details (RFC 9457) for programs, a page for people."""

import json
from http import HTTPStatus

import web

# The status of a page that shows a form again, with what is wrong in it.
UNPROCESSABLE = "422 Unprocessable Entity"
# Otherwise a request with many fields would get a very long answer.
MOST_FAULTS = 20
# Types of problems that programs must distinguish from others (RFC 9457, 3.1.1).
OUTCOME_UNKNOWN = "/problems/outcome-unknown"
TOO_LATE = "/problems/too-late"

_DETAILS = {
    404: "There is nothing at this address.",
    500: "Something went wrong here. It has been logged.",
}
_UNAVAILABLE = {
    "CONFLICT": "Too many others are at work right now. Nothing was changed: please try again.",
    "GONE": "The database is away right now. Nothing was changed: please try again.",
    "FULL": "The database has no room left. Nothing was changed: please try again later.",
    "LATE": "This took too long. Nothing was changed: please try again.",
    "UNKNOWN": "This was cut off while the change was being saved: "
    "look whether it is there before you send it again.",
}
_SEND_AGAIN = (
    "This was cut off while the change was being saved: send it again with the same "
    "Idempotency-Key, and it is done once."
)
_TYPES = {
    "UNKNOWN": {"type": OUTCOME_UNKNOWN, "title": "Outcome unknown"},
    "LATE": {"type": TOO_LATE, "title": "Took too long"},
}
# Headers of the answer whose place the error takes.
_OF_AN_ANSWER = {"content-type", "etag", "location"}
_PAGE = """\
<!doctype html>
<html lang="en">
<title>{title}</title>
<h1>{title}</h1>
<p>{detail}</p>
</html>
"""


class Problem(web.HTTPError):
    """An error answer that says in `detail` what is wrong and how to mend it."""

    def __init__(self, status, detail, headers=None, **members):
        """`status`: HTTP status code; `members`: further ones of the problem (RFC 9457, 3.2)."""
        self.detail = detail
        self.members = members
        # Clients read this where the application does not have our error answers.
        text = {"Content-Type": "text/plain; charset=utf-8"} | (headers or {})
        super().__init__(
            f"{status} {HTTPStatus(status).phrase}", text, f"{detail}\n".encode(errors="replace")
        )


def wrong_fields(status, faults):
    """Return the Problem for a mapping of field to fault.

    It names the first MOST_FAULTS.
    """
    named = list(faults.items())[:MOST_FAULTS]
    more = len(faults) - len(named)
    told = [f"{field} {fault}" for field, fault in named] + ([f"and {more} more"] if more else [])
    errors = [{"field": field, "detail": fault} for field, fault in named]
    return Problem(status, "; ".join(told), errors=errors)


def unavailable(headers, reason):
    """Return the Problem 503 for a request that the database did not serve, because of `reason`.

    `reason.name` is CONFLICT, GONE, FULL, LATE or UNKNOWN, as of the Verdict that
    `transaction_per_request` gives. Where nobody knows whether the change was saved, and where the
    request was given up at its deadline, the problem's type says so. A request whose
    Idempotency-Key was heeded may be sent again in any case, so it always gets a Retry-After.
    """
    detail = _UNAVAILABLE[reason.name]
    if reason.name == "UNKNOWN" and web.ctx.get("heeded_keys"):
        headers, detail = {"Retry-After": "1", **headers}, _SEND_AGAIN
    return Problem(503, detail, headers, **_TYPES.get(reason.name, {}))


def present(error, page=None):
    """Give a web.HTTPError of 400 or more, whoever raised it, the body for its client.

    `page(status, title, detail)` returns that body; without `page` it is problem details.
    """
    status, _, title = web.ctx.status.partition(" ")
    if int(status) < 400:
        return
    detail = getattr(error, "detail", None) or _DETAILS.get(int(status), "")
    web.ctx.headers = [pair for pair in web.ctx.headers if pair[0].lower() not in _OF_AN_ANSWER]
    if page:
        error.data = page(status, title, detail)
        return
    web.header("Content-Type", "application/problem+json")
    members = {"type": "about:blank", "title": title, "status": int(status)}
    members |= {"detail": detail} if detail else {}
    # The logs name the request by this id.
    id = web.ctx.env.get("mod_wsgi.request_id")
    members |= {"request": id} if id else {}
    error.data = json.dumps(members | getattr(error, "members", {})) + "\n"


def plain_page(status, title, detail):
    """Return a small error page and set its content type; `status`, the number, is not shown."""
    web.header("Content-Type", "text/html; charset=utf-8")
    return _PAGE.format(title=web.websafe(title), detail=web.websafe(detail))
