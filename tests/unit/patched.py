"""Tells, in a new process, what becomes of SQLObject and web.py.

    python tests/unit/patched.py import|install
    python tests/unit/patched.py without MODULE CLASS ATTRIBUTE

`import` imports all of app.transactions, `install` also applies the changes. Both print as JSON
the names whose objects have changed. `without` removes the attribute first, tries to install, and
prints the error of install() and the names that have changed anyway.
"""

import importlib
import inspect
import json
import os
import pkgutil
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)
PACKAGES = ("sqlobject", "web", "pydispatch", "formencode")


def load_packages():
    """Import what app.transactions imports of PACKAGES, for the comparison."""
    import MySQLdb.connections  # noqa: F401
    import psycopg2.extensions  # noqa: F401
    import sqlobject.mysql.mysqlconnection
    import sqlobject.postgres.pgconnection
    import sqlobject.sqlite.sqliteconnection  # noqa: F401
    import web.session  # noqa: F401


def attributes():
    """Return all that modules and classes of PACKAGES have, and the converters, by name."""
    from sqlobject.converters import converters

    found = {f"converters.{kind.__name__}": value for kind, value in converters.klass.items()}
    for place, module in list(sys.modules.items()):
        if place.partition(".")[0] not in PACKAGES:
            continue
        found |= {f"{place}.{name}": value for name, value in vars(module).items()}
        for _, owner in inspect.getmembers(module, inspect.isclass):
            if owner.__module__ == place:
                names = {f"{owner.__qualname__}.{name}": one for name, one in vars(owner).items()}
                found |= names
    return found


def changed(before):
    """Return the names in attributes() whose value is another object than `before`."""
    after = attributes()
    # What Python does by itself is no change here.
    own = ("__abstractmethods__", "_abc_impl", "__annotations__", "__builtins__")
    # A module that is imported is an attribute of its package.
    return sorted(
        name
        for name in before.keys() | after.keys()
        if before.get(name, after) is not after.get(name, before)
        and not name.endswith(own)
        and not inspect.ismodule(after.get(name))
    )


def import_all():
    """Import every module of app.transactions; return the package's list of changes."""
    package = importlib.import_module("app.transactions")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


def install():
    """Apply the changes as a processor does."""
    import_all()
    from app.transactions import patches, web_sessions

    patches.install()
    web_sessions.install()


def without(module, owner, attribute):
    """Remove an attribute; return what install() says then."""
    delattr(getattr(importlib.import_module(module), owner), attribute)
    before = attributes()
    try:
        install()
    except Exception as error:
        return {"error": type(error).__name__, "says": str(error), "changed": changed(before)}


def main(what, *arguments):
    """Do what the module's docstring says."""
    load_packages()
    if what == "without":
        result = without(*arguments)
    else:
        before = attributes()
        {"import": import_all, "install": install}[what]()
        result = changed(before)
    print(json.dumps(result))


main(*sys.argv[1:])
