"""The site's metrics for Prometheus, over all daemon processes, at /metrics.

Each process writes its own numbers into files in the folder that SITE_METRICS names, which
prometheus_client adds up when it is asked: https://prometheus.github.io/client_python/multiprocess/
"""

import contextlib
import ipaddress
import os
from pathlib import Path

from app.settings import SettingsError
from app.watch.health import answer

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
KINDS = ("reading", "writing")
ENDS = ("committed", "rolled back", "failed", "conflict", "gone", "full", "late", "unknown")
# A proxy adds headers whose WSGI names begin so.
PROXIED = ("HTTP_X_FORWARDED_", "HTTP_FORWARDED", "HTTP_VIA")
METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


def client_library(folder):
    """Return prometheus_client, which writes into `folder`. Raises SettingsError without it."""
    try:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"SITE_METRICS: {folder} cannot be created: {error}") from None
    # The library reads this when it is imported.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    try:
        import prometheus_client
        import prometheus_client.multiprocess
    except ImportError:
        raise SettingsError(
            "SITE_METRICS needs the extra `metrics`: pip install prometheus_client"
        ) from None
    return prometheus_client


class Metrics:
    """The numbers of this process, and the page that has those of all."""

    def __init__(self, folder, networks):
        """`networks`: who may read, ipaddress's. Raises SettingsError as `client_library`."""
        self._folder, self._networks = Path(folder), networks
        self.client = client_library(folder)
        # A function of a path that returns its route (routes.py).
        self.route = None
        self._labelled = {}
        Counter, Histogram = self.client.Counter, self.client.Histogram
        own = {"registry": None}
        self._requests = Counter(
            "site_requests", "Requests answered", ["route", "method", "status"], **own
        )
        self._seconds = Histogram(
            "site_request_seconds", "From the application's call to the answer's end", ["route"],
            buckets=SECONDS, **own,
        )  # fmt: skip
        self._runs = Counter(
            "site_transactions", "Transactions by kind and end", ["kind", "end"], **own
        )
        self._database = Counter(
            "site_database_seconds", "Spent in queries, begin and end", ["kind"], **own
        )
        self._again = Counter(
            "site_requests_run_again", "Runs of requests that came to nothing", ["reason"], **own
        )

        # From the start: to Prometheus a counter that begins at 1 has not increased.
        for kind in KINDS:
            for end in ENDS:
                self._child(self._runs, kind, end)

    def _child(self, metric, *labels):
        child = self._labelled.get((metric, labels))
        if child is None:
            child = self._labelled[metric, labels] = metric.labels(*labels)
        return child

    def observe(self, run):
        """Count a Run of a transaction, of a request or not."""
        if run.used:
            kind = "writing" if run.writing else "reading"
            self._child(self._runs, kind, run.end).inc()
            self._child(self._database, kind).inc(run.seconds)

    def count(self, request):
        """Count a Request that has ended."""
        route = self.route(request.environ.get("PATH_INFO", ""))
        method = request.environ["REQUEST_METHOD"]
        method = method if method in METHODS else "other"
        self._child(self._requests, route, method, request.status).inc()
        self._child(self._seconds, route).observe(request.seconds)
        for run in request.runs[:-1]:
            self._child(self._again, run.end).inc()

    def page(self, environ, start_response):
        """Answer as a WSGI application: the metrics of all processes, or 403."""
        if not self._may_read(environ):
            text = "only for the networks of SITE_METRICS_FROM, and not by way of a proxy\n"
            return answer(environ, start_response, "403 Forbidden", text)
        self._forget_dead()
        registry = self.client.CollectorRegistry()
        self.client.multiprocess.MultiProcessCollector(registry, str(self._folder))
        text = self.client.generate_latest(registry).decode()
        return answer(environ, start_response, "200 OK", text, "text/plain; version=0.0.4")

    def _may_read(self, environ):
        # Behind a proxy on this machine all clients seem local. Where Apache trusts the proxy it
        # removes X-Forwarded-For, but not the headers that come with it.
        if any(name.startswith(PROXIED) for name in environ):
            return False
        try:
            client = ipaddress.ip_address(environ.get("REMOTE_ADDR", ""))
        except ValueError:
            return False
        return any(client in network for network in self._networks)

    def _forget_dead(self):
        """Remove the present state of ended processes; their counts stay."""
        for file in self._folder.glob("gauge_live*_*.db"):
            pid = file.stem.rpartition("_")[2]
            if not Path("/proc", pid).exists():
                with contextlib.suppress(FileNotFoundError):
                    file.unlink()
