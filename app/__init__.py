"""The web.py application `app` and its `load_sqlo`: what app.wsgi and an interpreter import.

The handlers are named, not imported: the models must not be loaded by importing the package, or
`python -m app.models` would define them twice.
"""

from app.settings import settings
from app.site import Site
from app.transaction import transaction_per_request

__all__ = ["app", "load_sqlo"]

urls = (
    "/", "app.pages.Index",
    "/add", "app.pages.Add",
    "/view", "app.pages.View",
    "/health", "app.pages.Health",
    "/api/users", "app.api.Users",
    "/api/users/([^/]*)", "app.api.OneUser",
)  # fmt: skip

app = Site(urls)
load_sqlo = transaction_per_request(
    settings.database_uri,
    timeout=settings.busy_timeout,
    attempts=settings.retry_attempts,
    retry_seconds=settings.retry_seconds,
)
app.add_processor(load_sqlo)
