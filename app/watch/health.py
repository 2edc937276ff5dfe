"""Answers balancers and containers: whether the process answers, and whether it can serve.

/healthz asks no database: a process that answers it needs no restart. /readyz is 200 where the
database answers and has the tables and columns of the models, or 503.
"""

import logging

log = logging.getLogger(__name__)

WELL = "200 OK"
NOT_READY = "503 Service Unavailable"


def healthz(environ, start_response):
    """Answer as a WSGI application: 200, whatever the database does."""
    return answer(environ, start_response, WELL, "ok\n")


def readyz(environ, start_response):
    """Answer as a WSGI application: 200 or 503; the log has the reason."""
    from app.tables import look_at_tables
    from app.transactions import in_transaction

    try:
        in_transaction(look_at_tables, writing=False, attempts=2)
    except Exception as error:
        log.warning("/readyz answers 503: %s: %s", type(error).__name__, error)
        text = "not ready: the error log has the reason\n"
        return answer(environ, start_response, NOT_READY, text)
    return answer(environ, start_response, WELL, "ok\n")


def answer(environ, start_response, status, text, content_type="text/plain; charset=utf-8"):
    """Answer a GET or HEAD with `text`, another method 405; returns the WSGI answer."""
    headers = [("Cache-Control", "no-store"), ("Content-Type", content_type)]
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        status, text = "405 Method Not Allowed", "This address answers GET, HEAD only.\n"
        headers.append(("Allow", "GET, HEAD"))
    body = text.encode()
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
