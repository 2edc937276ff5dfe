"""To which of an application's URLs a path belongs: a label with few values."""

import re

import web

OTHER = "other"


def route_of(application):
    """Return a function of a path that returns the pattern of the URL that serves it.

    `application`: a web.application, whose sub-applications count as one URL each; for anything
    else, and for a path that nothing serves, it returns OTHER.
    """
    patterns = [
        (
            re.compile(f"{pattern}/" if isinstance(what, web.application) else rf"{pattern}\Z"),
            pattern,
        )
        for pattern, what in getattr(application, "mapping", ())
    ]

    def route(path):
        for compiled, pattern in patterns:
            if compiled.match(path):
                return pattern
        return OTHER

    return route
