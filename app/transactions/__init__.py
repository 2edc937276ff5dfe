"""One transaction for each request of a web.py application with SQLObject models."""

from .engines.threads import OutcomeUnknown, TransactionLost, Verdict, connection_for
from .processor import (
    SwallowedError,
    doom,
    on_commit,
    runs,
    savepoint,
    transaction_per_request,
)
from .request import OutsideItsRequest, TryEnded
from .row_cache import Statistics, statistics
from .tables import SchemaError, update_table

__all__ = [
    "OutcomeUnknown",
    "OutsideItsRequest",
    "SchemaError",
    "Statistics",
    "SwallowedError",
    "TransactionLost",
    "TryEnded",
    "Verdict",
    "connection_for",
    "doom",
    "on_commit",
    "runs",
    "savepoint",
    "statistics",
    "transaction_per_request",
    "update_table",
]
