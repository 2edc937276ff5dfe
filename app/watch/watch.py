"""The WSGI application that Apache serves: the site's, with the addresses for its operators."""

from app.watch.health import healthz, readyz
from app.watch.logs import use_apache_levels
from app.watch.requests import Recorder, log_runs, note


class Watch:
    """What the settings want to know of this process; `observer`: the transactions', or None.

    It is created before the transactions are, and serves the application once that is loaded.
    """

    def __init__(self, settings):
        """Raises SettingsError where the metrics cannot be collected."""
        self._settings = settings
        self._metrics = self._reporter = None
        slow = settings.slow_seconds
        self.observer = note if settings.request_log or slow else None
        if settings.metrics:
            self._start_metrics()

    def _start_metrics(self):
        from app.watch.metrics import Metrics
        from app.watch.present import Present
        from app.watch.reporter import Reporter

        self._metrics = metrics = Metrics(self._settings.metrics, self._settings.metrics_from)
        self._reporter = Reporter(Present(metrics.client).report)

        def observer(run):
            note(run)
            metrics.observe(run)

        self.observer = observer

    def served(self, application):
        """Return the WSGI callable for `application`, a web.application or a WSGI callable.

        It answers /healthz and /readyz itself, and /metrics where they are on, before any
        processor of the application's: a check each second begins no session and is not redirected
        to a login.
        """
        use_apache_levels()
        handle = application.wsgifunc() if hasattr(application, "wsgifunc") else application
        own = {"/healthz": healthz, "/readyz": readyz}
        if self._metrics:
            from app.watch.routes import route_of

            self._metrics.route = route_of(application)
            own["/metrics"] = self._metrics.page
        if self.observer:
            recorder = Recorder(self._listeners(), self._settings.request_log)
            handle = recorder.recorded(handle)

        def serve(environ, start_response):
            return own.get(environ.get("PATH_INFO"), handle)(environ, start_response)

        return serve

    def _listeners(self):
        listeners = []
        if self._metrics:
            listeners += [self._reporter.notice, self._metrics.count]
        if self._settings.request_log or self._settings.slow_seconds:
            listeners.append(log_runs(self._settings.slow_seconds))
        return listeners
