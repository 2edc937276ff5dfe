"""One transaction for each request of a web.py application with SQLObject models.

What stands in `__all__` is the public API; README.md beside this file tells how to use it.
"""

from .engines import OutcomeUnknown, TransactionLost, Verdict, connection_for
from .errors import GivenUp, OutsideItsRequest, RunEnded, SwallowedError
from .handlers import (
    doom,
    no_transaction,
    on_commit,
    on_rollback,
    reading,
    runs,
    savepoint,
    writing,
)
from .in_transaction import in_transaction
from .observed import Run
from .patches import PatchError
from .processor import transaction_per_request
from .row_cache import Statistics, statistics
from .tables import SchemaError, missing_in_table, update_table

__all__ = [
    "GivenUp",
    "OutcomeUnknown",
    "OutsideItsRequest",
    "PatchError",
    "Run",
    "RunEnded",
    "SchemaError",
    "Statistics",
    "SwallowedError",
    "TransactionLost",
    "Verdict",
    "connection_for",
    "doom",
    "in_transaction",
    "missing_in_table",
    "no_transaction",
    "on_commit",
    "on_rollback",
    "reading",
    "runs",
    "savepoint",
    "statistics",
    "transaction_per_request",
    "update_table",
    "writing",
]
