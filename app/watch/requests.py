"""What became of each request: notes its runs while it is served, and reports them at its end.

It reports to Apache, by headers for its access log (SITE_REQUEST_LOG), to the error log where a
request was slow (SITE_SLOW_SECONDS) or ran again, and to the metrics (SITE_METRICS). With none of
these settings the transactions have no observer, and requests bypass this module.
"""

import logging
import os
import threading
from time import perf_counter

log = logging.getLogger(__name__)


class Request:
    """One request while it is served."""

    __slots__ = ("environ", "hits", "runs", "seconds", "seconds_in_database", "started", "status")

    def __init__(self, environ):
        """`environ`: WSGI's."""
        # perf_counter() at its beginning; `seconds` is None until its end.
        self.started = perf_counter()
        self.environ = environ
        # The Runs of the request's own transaction, in order.
        self.runs = []
        # In these Runs, and in those of in_transaction and on_commit.
        self.seconds_in_database = 0.0
        self.hits = 0
        self.status = "500"
        self.seconds = None

    def note(self, run):
        """Take a Run of this thread."""
        self.seconds_in_database += run.seconds
        self.hits += run.hits
        if run.of_request and run.used:
            self.runs.append(run)

    def headers(self):
        """Return headers that Apache logs (apache/site.conf) and sends to nobody."""
        return [
            ("Site-Process", str(os.getpid())),
            ("Site-Runs", str(len(self.runs))),
            ("Site-Ends", ",".join(run.end.replace(" ", "-") for run in self.runs)),
            ("Site-Database", str(round(self.seconds_in_database * 1e6))),
            ("Site-Kept", str(self.hits)),
        ]


class _Thread(threading.local):
    request = None


_thread = _Thread()


class Recorder:
    """Notes the runs of each request and tells `listeners` of its end."""

    def __init__(self, listeners, with_headers=False):
        """`listeners`: functions of an ended Request. `with_headers`: whether its answer has
        them."""
        self._listeners = listeners
        self._with_headers = with_headers

    def recorded(self, handle):
        """Return the WSGI application `handle` with its requests recorded."""
        with_headers, end = self._with_headers, self._end

        def serve(environ, start_response):
            request = _thread.request = Request(environ)

            def start(status, headers, *error):
                request.status = status[:3]
                if with_headers:
                    headers = headers + request.headers()
                return start_response(status, headers, *error)

            try:
                chunks = handle(environ, start)
            except BaseException:
                end(request)
                raise
            if isinstance(chunks, (list, tuple)):
                # The answer is complete, and a server may measure its length.
                end(request)
                return chunks
            return _Answer(chunks, end, request)

        return serve

    def _end(self, request):
        request.seconds = perf_counter() - request.started
        if _thread.request is request:
            _thread.request = None
        for listener in self._listeners:
            try:
                listener(request)
            except Exception:
                log.exception("a request's end could not be reported; its answer stands")


class _Answer:
    """The chunks of an answer; the request ends when the server has them all."""

    def __init__(self, chunks, end, request):
        self._chunks, self._end, self._request = chunks, end, request

    def __iter__(self):
        return iter(self._chunks)

    def close(self):
        try:
            if hasattr(self._chunks, "close"):
                self._chunks.close()
        finally:
            self._end(self._request)


def note(run):
    """Be the observer of the transactions: give a Run to the request of this thread."""
    request = _thread.request
    if request is not None:
        request.note(run)


def log_runs(slow):
    """Return a listener that logs a request that took `slow` seconds or more, or ran again.

    One line, at its end; None: no request is slow.
    """

    def listener(request):
        if slow is not None and request.seconds >= slow:
            log.warning("slow: %s", _told(request))
        elif len(request.runs) > 1:
            log.info("run again: %s", _told(request))

    return listener


def _told(request):
    environ = request.environ
    runs = ", ".join(f"{run.end} after {run.seconds * 1000:.1f} ms" for run in request.runs)
    # Escaped, because a path may contain line ends.
    path = ascii(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
    return (
        f"{environ['REQUEST_METHOD']} {path} answered {request.status} after "
        f"{request.seconds:.3f} s, {request.seconds_in_database:.3f} s of them in the database; "
        f"runs: {runs or 'none'}"
    )
