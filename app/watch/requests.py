"""What became of each request: its runs are noted while it is served, and told when it has ended.

Whoever wants to know is told: Apache by headers that its access log takes (SITE_REQUEST_LOG), the
error log where a request was slow (SITE_SLOW_SECONDS) or run again, the metrics (SITE_METRICS).
Where nobody does, the transactions have no observer and requests go past this module.
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
        # Those of the request's own transaction, in order.
        self.runs = []
        # Of these and of what the handler does by in_transaction and on_commit.
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
        """Return what Apache takes for its access log (apache/site.conf) and sends to nobody."""
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
        """`listeners`: functions of one Request that has ended. `with_headers`: of the answer."""
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
                # It is whole, and a server may measure it.
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
                log.exception("a request's end could not be told; its answer stands")


class _Answer:
    """The chunks of an answer, which ends when the server has them."""

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
    # As Python writes it: a path may have line ends in it.
    path = ascii(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
    return (
        f"{environ['REQUEST_METHOD']} {path} answered {request.status} after "
        f"{request.seconds:.3f} s, {request.seconds_in_database:.3f} s of them in the database; "
        f"runs: {runs or 'none'}"
    )
