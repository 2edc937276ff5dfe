"""A pytest plugin that has SQLObject's own test suite use the project's connection classes."""

from sqlobject.dbconnection import TheURIOpener

from app.transactions.engines.threads import CLASSES, class_for

for scheme in CLASSES:
    TheURIOpener.schemeBuilders[scheme] = lambda scheme=scheme: class_for(scheme)
