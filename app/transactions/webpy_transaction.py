"""The transactions of web.py's requests: their errors and surroundings are web.py's."""

from functools import cache

from .outcomes import HTTPRunEnded, commits
from .replay import own_context
from .request import RequestTransaction


@cache
def transaction_class(engine_class):
    """Return the class of the processor's transactions on the connections of `engine_class`."""
    base = RequestTransaction.for_engine(engine_class)
    own = {
        "RunEnded": HTTPRunEnded,
        "commits": staticmethod(commits),
        "surroundings_of_after": staticmethod(own_context),
    }
    return type(base.__name__, (base,), own)
