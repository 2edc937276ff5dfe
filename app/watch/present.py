"""The present state of a daemon process, for the metrics: cache, connections, capacity, queue."""

import logging
import os

log = logging.getLogger(__name__)


class Present:
    """Gauges and counters that `report` brings up to date; no request waits for it."""

    def __init__(self, client):
        """`client`: prometheus_client."""
        from app.transactions import statistics
        from app.transactions.engines.threads import engines

        self._statistics, self._engines = statistics, engines
        own = {"registry": None}
        self._gauges = {
            name: client.Gauge(f"site_{name}", text, registry=None, multiprocess_mode=mode)
            for name, text, mode in (
                ("kept_rows", "Rows kept now", "livesum"),
                ("connections", "Connections to the database", "livesum"),
                ("threads", "Threads for requests", "livesum"),
                ("resident_bytes", "Memory of the daemon processes", "livesum"),
                ("processes", "Daemon processes that have answered a request", "livesum"),
                ("busy_ratio", "Share of the time that the threads had requests", "livemax"),
                ("queue_longest_seconds", "Longest wait for a thread lately", "livemax"),
            )
        }
        self._kept = {
            name: client.Counter(f"site_kept_rows_{name}", text, **own)
            for name, text in (
                ("hits", "Uses of a kept row"),
                ("misses", "Rows that had to be read"),
                ("drops", "How often all rows of a thread were dropped"),
            )
        }
        self._queued = client.Counter("site_queued_requests", "Requests through the queue", **own)
        self._queue = client.Counter("site_queue_seconds", "Waited for a thread", **own)
        self._before = statistics()
        self._server = _recording()

    def report(self):
        """Bring all up to date; a failure is logged."""
        try:
            self._report_cache()
            self._gauges["connections"].set(sum(len(one.open_now) for one in self._engines()))
            self._gauges["processes"].set(1)
            self._gauges["resident_bytes"].set(_resident_bytes())
            if self._server is not None:
                self._report_server(self._server.request_metrics())
        except Exception:
            log.exception("the metrics of this process could not be brought up to date")

    def _report_cache(self):
        now = self._statistics()
        for name, counter in self._kept.items():
            # A thread that ends takes its numbers with it.
            counter.inc(max(0, getattr(now, name) - getattr(self._before, name)))
        self._gauges["kept_rows"].set(now.size)
        self._before = now

    def _report_server(self, found):
        if found is None:
            return
        self._gauges["threads"].set(found["request_threads_maximum"])
        self._gauges["busy_ratio"].set(found["capacity_utilization"])
        self._gauges["queue_longest_seconds"].set((found["queue_time_max_us"] or 0) / 1e6)
        self._queued.inc(found["request_count"])
        self._queue.inc((found["queue_time"] or 0) * found["request_count"])


def _recording():
    """Return the module mod_wsgi, told to record; None where the server's cannot."""
    try:
        import mod_wsgi

        mod_wsgi.start_recording_metrics()
    except (ImportError, AttributeError):
        return None
    return mod_wsgi


def _resident_bytes():
    # https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
