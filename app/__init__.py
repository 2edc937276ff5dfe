"""The site's wiring: settings, transactions and URLs make `app` and its `load_sqlo`.

`app` is the example, or the application that the setting SITE_APPLICATION names, `application` the
WSGI callable that serves it. Each is created when it is first asked for, as by `from app import
load_sqlo`. Importing a part of the package creates none, so that the lab's stock modes have
SQLObject as it comes.
"""

from app.settings import SettingsError, settings

__all__ = ["app", "application", "load_sqlo"]

# Handlers are named, not imported: a program that only needs the database loads none of them.
urls = (
    "/", "app.pages.Index",
    "/add", "app.pages.Add",
    "/view", "app.pages.View",
    "/users/new", "app.users.Add",
    "/users/([0-9]+)", "app.users.Show",
    "/users/([0-9]+)/edit", "app.users.Edit",
    "/users/([0-9]+)/delete", "app.users.Delete",
    "/sign-in", "app.account_pages.SignIn",
    "/sign-out", "app.account_pages.SignOut",
    "/account", "app.account_pages.Account",
    "/account/password", "app.account_pages.Password",
    "/account/sessions", "app.account_pages.Sessions",
    "/account/sessions/([0-9]+)/end", "app.account_pages.EndSession",
    "/api/openapi.json", "app.openapi.Document",
    "/api/users", "app.api.Users",
    "/api/users/([^/]*)", "app.api.OneUser",
    "/lab/", "app.lab.page.Page",
)  # fmt: skip

# The paths whose errors are problem details (RFC 9457); elsewhere they are pages.
FOR_PROGRAMS = "/(api|lab/[a-z]+)(/|$)"
ERROR_PAGE = "app.pages.error_page"


# The Watch of a process that serves; a command has none.
_watch = None


def make_load_sqlo():
    """Return the processor that gives each request a transaction on the site's database.

    Raises SettingsError where DATABASE_URI cannot be used.
    """
    from app.transactions import transaction_per_request
    from app.web.problems import unavailable

    try:
        load_sqlo = transaction_per_request(
            settings.database_uri,
            attempts=settings.retry_attempts,
            retry_seconds=settings.retry_seconds,
            request_seconds=settings.request_seconds,
            unavailable=unavailable,
            cache_rows=settings.cache_rows,
            timeout=settings.busy_timeout,
            statement_timeout=settings.statement_timeout,
            connect_timeout=settings.connect_timeout,
            check_after=settings.check_after,
            foreign_keys=settings.foreign_keys,
            queue=settings.sqlite_queue,
            observer=_watch and _watch.observer,
            # Only `python -m app.database` creates one.
            create=False,
        )
    except ValueError as error:
        raise SettingsError(f"DATABASE_URI cannot be used: {error}") from None
    return load_sqlo


def make_app():
    """Return the application of the settings; each of its requests has a transaction.

    Raises SettingsError where a setting that it needs is wrong.
    """
    load_sqlo = __getattr__("load_sqlo")
    if settings.application:
        from app.own import own_application

        return own_application(load_sqlo)
    from app.web.adoption import adopt, import_handlers
    from app.web.application import Application

    example = Application(urls, for_programs=FOR_PROGRAMS, error_page=ERROR_PAGE)
    import_handlers(example)
    return adopt(example, load_sqlo)


def make_application():
    """Return the WSGI callable that Apache serves; raises SettingsError as `make_app`."""
    from app.watch.watch import Watch

    global _watch
    _watch = Watch(settings)
    return _watch.served(__getattr__("app"))


MAKERS = {"app": make_app, "application": make_application, "load_sqlo": make_load_sqlo}


def __getattr__(name):
    """Create what `__all__` names. Python calls this where the module does not have `name`."""
    if name not in MAKERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in globals():
        return globals()[name]
    try:
        made = MAKERS[name]()
    except AttributeError as error:
        # An import would hide an AttributeError, and say only that the name is missing.
        raise RuntimeError(
            "the site could not be loaded, see the error before this one"
        ) from error
    return globals().setdefault(name, made)
