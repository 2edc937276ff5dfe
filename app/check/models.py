"""The application's SQLObject classes that have been imported, and their places."""

import inspect
import sys
from contextlib import suppress

from sqlobject import SQLObject

from app.check.sources import is_own


def models(cls=SQLObject):
    """Yield the SQLObject classes of the application's own modules; import nothing."""
    for model in cls.__subclasses__():
        if is_own(file_of(model) or ""):
            yield model
        yield from models(model)


def file_of(cls):
    """The file of the module that has a class, as text, or None."""
    return getattr(sys.modules.get(cls.__module__), "__file__", None)


def place_of_table(table):
    """The (file, line) of the class that has `table`, or (None, None)."""
    for model in models():
        if str(model.sqlmeta.table).lower() == table.lower():
            with suppress(OSError, TypeError):
                return file_of(model), inspect.getsourcelines(model)[1]
    return None, None
