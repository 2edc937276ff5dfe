"""The web.py application `app` and its `load_sqlo`: what app.wsgi and an interpreter import.

The handlers are named, not imported: the models must not be loaded by importing the package, or
`python -m app.models` would define them twice.
"""

from app.settings import SettingsError, settings, stop
from app.transactions import transaction_per_request
from app.web.application import Site
from app.web.problems import unavailable

__all__ = ["app", "load_sqlo"]

urls = (
    "/", "app.pages.Index",
    "/add", "app.pages.Add",
    "/view", "app.pages.View",
    "/health", "app.pages.Health",
    "/api/users", "app.api.Users",
    "/api/users/([^/]*)", "app.api.OneUser",
    "/lab/", "app.lab.page.Page",
)  # fmt: skip

app = Site(urls)
try:
    load_sqlo = transaction_per_request(
        settings.database_uri,
        attempts=settings.retry_attempts,
        retry_seconds=settings.retry_seconds,
        unavailable=unavailable,
        cache_rows=settings.cache_rows,
        timeout=settings.busy_timeout,
        statement_timeout=settings.statement_timeout,
        connect_timeout=settings.connect_timeout,
        check_after=settings.check_after,
    )
except ValueError as error:
    stop(SettingsError(f"DATABASE_URI cannot be used: {error}"))
app.add_processor(load_sqlo)
