"""A pytest plugin that has SQLObject's own test suite use the project's connection classes."""

from sqlobject.dbconnection import TheURIOpener

from app.transactions.engines import SCHEMES, class_for

for scheme in SCHEMES:
    TheURIOpener.schemeBuilders[scheme] = lambda scheme=scheme: class_for(scheme)
