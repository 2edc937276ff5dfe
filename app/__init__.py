"""The site's wiring: settings, transactions and URLs make `app` and its `load_sqlo`.

The two are made when one of them is first asked for, as by `from app import app`. Importing a
part of the package makes neither, so that the lab's stock modes have SQLObject as it comes.
"""

from app.settings import SettingsError, settings

__all__ = ["app", "load_sqlo"]

# Handlers are named, not imported: what needs the database alone loads none of them.
urls = (
    # Asked by the container's health check and the balancer: keep them with your own.
    "/health", "app.web.health.Health",
    "/health/database", "app.database.Health",
    "/", "app.pages.Index",
    "/add", "app.pages.Add",
    "/view", "app.pages.View",
    "/api/users", "app.api.Users",
    "/api/users/([^/]*)", "app.api.OneUser",
    "/lab/", "app.lab.page.Page",
)  # fmt: skip

# The paths whose errors are problem details (RFC 9457); elsewhere they are pages, plain ones
# where ERROR_PAGE is None.
FOR_PROGRAMS = "/(api|health/database|lab/[a-z]+)(/|$)"
ERROR_PAGE = "app.pages.error_page"


def make_site():
    """Return the web.py application and its load hook, a pair.

    Raises SettingsError where DATABASE_URI cannot be used.
    """
    from app.transactions import transaction_per_request
    from app.web.application import Application
    from app.web.problems import unavailable

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
            foreign_keys=settings.foreign_keys,
        )
    except ValueError as error:
        raise SettingsError(f"DATABASE_URI cannot be used: {error}") from None
    app = Application(urls, for_programs=FOR_PROGRAMS, error_page=ERROR_PAGE)
    app.add_processor(load_sqlo)
    return app, load_sqlo


def __getattr__(name):
    """Make what `__all__` names; Python calls this where the module does not have `name`."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        made = make_site()
    except AttributeError as error:
        # An import takes an AttributeError for a name that is not here, and hides it.
        raise RuntimeError("the site could not be made, see the error before this one") from error
    globals().update(zip(("app", "load_sqlo"), made, strict=True))
    return globals()[name]
