"""A pytest plugin that has SQLObject's own test suite use the project's connection classes."""

from sqlobject.dbconnection import TheURIOpener

from app.connections import CLASSES

for scheme, connection_class in CLASSES.items():
    TheURIOpener.schemeBuilders[scheme] = lambda chosen=connection_class: chosen
