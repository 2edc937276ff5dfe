"""Your application in place of the example: found by the settings, imported, adopted."""

import os
import runpy
import sys
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path

import web
from sqlobject import SQLObject, sqlhub

from app.settings import SettingsError, settings
from app.web.adoption import adopt, adopted, application_of, import_handlers


def own_application(load_sqlo):
    """Return what SITE_APPLICATION names, with `load_sqlo` as the processor of its transactions.

    It is a web.application, or a WSGI callable that the application's own module got from one.
    Raises SettingsError where it is neither, or as `import_own` does.
    """
    load_sqlo()
    module, _, name = settings.application.partition(":")
    found = _attribute(import_own(module), name, "SITE_APPLICATION")
    _check_debug()
    application = found if isinstance(found, web.application) else application_of(found)
    if application is not None:
        with _isolated(module):
            import_handlers(adopt(application, load_sqlo))
    elif not callable(found):
        raise SettingsError(
            f"SITE_APPLICATION names {found!r}: name the web.application, as wiki.code:app does"
        )
    elif not adopted():
        raise SettingsError(
            "SITE_APPLICATION names a WSGI callable whose requests would have no transactions: "
            "write adopt(app, load_sqlo) for the web.application in it, with `from app import "
            "load_sqlo` and `from app.web import adopt`"
        )
    return found


def own_models(with_pages=True):
    """Return the application's SQLObject classes, those whose names begin with _ left out.

    Those that exist when the application has been imported. Unless `with_pages`, only the module
    of SITE_DATABASE is imported, if that is set. Raises as `own_application` does.
    """
    if settings.database:
        module, _, function = settings.database.partition(":")
        _attribute(import_own(module), function, "SITE_DATABASE")
    if with_pages or not settings.database:
        from app import app  # noqa: F401
    return [
        model
        for model in _subclasses(SQLObject)
        if not model.__module__.startswith("sqlobject.") and not model.__name__.startswith("_")
    ]


def run_database_program():
    """Run what SITE_DATABASE names: a function, or a module as `python -m` runs it.

    Raises as `import_own` does, and what it raises.
    """
    module, _, function = settings.database.partition(":")
    with _good_exit_ignored():
        if function:
            _attribute(import_own(module), function, "SITE_DATABASE")()
            return
        with _isolated(module):
            runpy.run_module(module, run_name="__main__", alter_sys=True)


def import_own(name):
    """Import the module `name` of your application and return it.

    Raises SettingsError where the module is not the one in SITE_PATH, starts a server, ends the
    process or connects to a database that is not the site's. Its other errors come through.
    """
    with _isolated(name):
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if name != error.name and not name.startswith(f"{error.name}."):
                raise
            raise SettingsError(
                f"there is no module {name}, which SITE_APPLICATION or SITE_DATABASE names: "
                "correct it, or SITE_PATH, where it is looked for first"
            ) from None
        except SystemExit as ended:
            raise SettingsError(
                f"{name} ends the process when it is imported, with status {ended.code}: write "
                'what does so below if __name__ == "__main__":'
            ) from ended
    _check_place(module, name)
    return module


@cache
def enter():
    """Give this process what your application expects of its surroundings.

    SITE_PATH is the first place where modules are found, and the working directory. os.environ
    gets DATABASE_URI and the settings file's other lines; variables that it has already win.
    """
    for name, value in settings.others.items():
        os.environ.setdefault(name, value)
    os.environ["DATABASE_URI"] = settings.database_uri
    if settings.path is not None:
        sys.path.insert(0, str(settings.path))
        os.chdir(settings.path)
    # web.py would show the client each error with its source, not only in its own server.
    web.config.debug = False


@contextmanager
def _isolated(name):
    """Refuse to start a server, and put the connection back, while the module `name` is run."""

    def refuse(*_, **__):
        raise SettingsError(
            f"{name} starts web.py's own server when it is imported: write app.run() below "
            'if __name__ == "__main__":'
        )

    enter()
    process, thread = vars(sqlhub), vars(sqlhub.threadingLocal)
    connection, of_thread = sqlhub.processConnection, thread.get("connection")
    run_server, web.httpserver.runsimple = web.httpserver.runsimple, refuse
    try:
        yield
        _check_database("processConnection", process["processConnection"], connection)
        if thread.get("connection") not in (None, of_thread):
            _check_database("threadConnection", thread["connection"], connection)
    finally:
        web.httpserver.runsimple = run_server
        sqlhub.processConnection = connection
        thread.pop("connection", None)
        if of_thread is not None:
            thread["connection"] = of_thread


@contextmanager
def _good_exit_ignored():
    """Let a program end by sys.exit(0) and commit: SystemExit would roll back its transaction."""
    try:
        yield
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise


def _check_debug():
    """Refuse web.py's debugging, which shows each error with its source to the client."""
    if web.config.debug:
        raise SettingsError(
            "the application sets web.config.debug, so that each error would show its source to "
            "the client: remove that line; scripts/serve --reload picks up changed code"
        )


def _check_database(name, given, connection):
    from app.transactions.bypass import is_same_database

    if given is not connection and not is_same_database(given, connection):
        raise SettingsError(
            f"the application sets sqlhub.{name} to another database than DATABASE_URI "
            "says: remove that line of its, or set DATABASE_URI to the same database"
        )


def _check_place(module, name):
    """Refuse a module that is not in SITE_PATH: Python itself has a `code` too."""
    first = name.partition(".")[0]
    folder = settings.path
    if folder is None or not any((folder / f"{first}{end}").exists() for end in ("", ".py")):
        return
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    if file is None or folder not in Path(file).parents:
        raise SettingsError(
            f"{name} is not that in SITE_PATH but {file or 'a part of Python'}, which was "
            "imported before: rename yours"
        )


def _attribute(module, name, variable):
    try:
        for part in filter(None, name.split(".")):
            module = getattr(module, part)
    except AttributeError:
        raise SettingsError(f"{variable}: there is no {name} in {module.__name__}") from None
    return module


def _subclasses(cls):
    for found in cls.__subclasses__():
        yield found
        yield from _subclasses(found)
