"""Puts the transactions where they belong in an existing web.py application."""

import re
from importlib import import_module
from inspect import getclosurevars, isfunction
from weakref import WeakSet

import web

# Every application begins with this number of web.py's own: they fill web.ctx and empty it.
FIRST = 2

_adopted: WeakSet = WeakSet()


def adopt(application, load_sqlo):
    """Have each request to a web.application run in a transaction; returns the application.

    `load_sqlo`: the processor of `transaction_per_request`. It is put before all other processors
    of the application, such as sessions and hooks, because what these read and write is part of
    the request too. Sub-applications need no processor. Doing it again changes nothing. Raises
    TypeError where `application` is no web.application.
    """
    if not isinstance(application, web.application):
        raise TypeError(
            f"{application!r} is no web.application: give what web.application(urls, globals()) "
            "returned"
        )
    others = [one for one in application.processors if not _is(one, load_sqlo)]
    application.processors[:] = [*others[:FIRST], load_sqlo, *others[FIRST:]]
    _adopted.add(application)
    return application


def adopted():
    """Return the applications that `adopt` was given and that still exist, a list."""
    return list(_adopted)


def application_of(function):
    """Return the web.application whose `wsgifunc()` has returned `function`, or None."""
    if not isfunction(function):
        return None
    made_by = getclosurevars(function).nonlocals.get("self")
    return made_by if isinstance(made_by, web.application) else None


def import_handlers(application):
    """Import the modules that a web.application and its sub-applications name in their URLs."""
    for _, handler in application.mapping:
        if isinstance(handler, web.application):
            import_handlers(handler)
        elif isinstance(handler, str) and re.fullmatch(r"[\w.]+\.\w+", handler):
            import_module(handler.rpartition(".")[0])


def _is(processor, load_sqlo):
    """Whether a processor is `load_sqlo`, itself or as the hook of web.loadhook."""
    if processor is load_sqlo:
        return True
    return isfunction(processor) and getclosurevars(processor).nonlocals.get("h") is load_sqlo
