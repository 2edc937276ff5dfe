"""One's own application in place of the example: found by the settings, imported, adopted."""

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

    It is a web.application, or a WSGI callable that the application's own module made of one.
    Raises SettingsError where it is neither, or as `import_own` does.
    """
    load_sqlo()
    module, _, name = settings.application.partition(":")
    found = _attribute(import_own(module), name, "SITE_APPLICATION")
    application = found if isinstance(found, web.application) else application_of(found)
    if application is not None:
        import_handlers(adopt(application, load_sqlo))
    elif not callable(found):
        raise SettingsError(
            f"SITE_APPLICATION names {found!r}: name the web.application, as wiki.code:app does"
        )
    elif not adopted():
        raise SettingsError(
            "SITE_APPLICATION names a WSGI callable whose requests would have no transactions: "
            "name its web.application, or write adopt(app, load_sqlo) before it is made a "
            "callable, with `from app import load_sqlo` and `from app.web import adopt`"
        )
    return found


def own_models():
    """Return the application's SQLObject classes, those whose names begin with _ left out.

    They are those that are there when the module of SITE_DATABASE has been imported, or without
    that setting the application. Raises as `own_application` does.
    """
    if settings.database:
        import_own(settings.database.partition(":")[0])
    else:
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
    if function:
        _attribute(import_own(module), function, "SITE_DATABASE")()
        return
    with _kept_to_ourselves(module), _good_exit_ignored():
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def import_own(name):
    """Import the module `name` of one's own application and return it.

    Raises SettingsError where that is another one than SITE_PATH has, starts a server or connects
    to another database than the site's; what the module raises comes through.
    """
    with _kept_to_ourselves(name):
        module = import_module(name)
    _check_place(module, name)
    return module


@cache
def enter():
    """Give this process what one's own application expects of its surroundings.

    That is SITE_PATH, where its modules are found first and which is the working directory, and
    the settings file's other lines in os.environ, in which what is there already wins.
    """
    for name, value in settings.others.items():
        os.environ.setdefault(name, value)
    if settings.path is not None:
        sys.path.insert(0, str(settings.path))
        os.chdir(settings.path)
    # Outside of its own server, too, web.py would show each error with its source to the client.
    web.config.debug = False


@contextmanager
def _kept_to_ourselves(name):
    """While the module `name` is run no server starts, and the connection stays the site's."""

    def refuse(*_, **__):
        raise SettingsError(
            f"{name} starts web.py's own server when it is imported: write app.run() below "
            'if __name__ == "__main__":'
        )

    enter()
    connection = sqlhub.processConnection
    run_server, web.httpserver.runsimple = web.httpserver.runsimple, refuse
    try:
        yield
        _check_database(vars(sqlhub)["processConnection"], connection)
    finally:
        web.httpserver.runsimple = run_server
        sqlhub.processConnection = connection


@contextmanager
def _good_exit_ignored():
    """Let a program end by sys.exit(0), which would roll back its transaction."""
    try:
        yield
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise


def _check_database(given, connection):
    from app.transactions.bypass import is_same_database

    if given is not connection and not is_same_database(given, connection):
        raise SettingsError(
            "the application sets sqlhub.processConnection to another database than DATABASE_URI "
            "says: remove that line of its, or set DATABASE_URI to the same database"
        )


def _check_place(module, name):
    """Refuse another module than that in SITE_PATH: Python has a `code` of its own, too."""
    first = name.partition(".")[0]
    folder = settings.path
    if folder is None or not any((folder / f"{first}{end}").exists() for end in ("", ".py")):
        return
    file = getattr(module, "__file__", None)
    if file is None or folder.resolve() not in Path(file).resolve().parents:
        raise SettingsError(
            f"{name} is not that in SITE_PATH but {file or 'a part of Python'}, which was "
            "imported before: rename yours"
        )


def _attribute(module, name, variable):
    try:
        for part in name.split("."):
            module = getattr(module, part)
    except AttributeError:
        raise SettingsError(f"{variable}: there is no {name} in {module.__name__}") from None
    return module


def _subclasses(cls):
    for found in cls.__subclasses__():
        yield found
        yield from _subclasses(found)
