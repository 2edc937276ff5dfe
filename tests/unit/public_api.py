"""Uses all of the public API: test_types.py has mypy check it, and nobody runs it.

`assert_type` says which type a checker must find. In a line with `type: ignore` it must find an
error, and it reports where it finds none.
"""

from collections.abc import Callable
from typing import Any, assert_type

from sqlobject import SQLObject

from app.transactions import (
    GivenUp,
    OutcomeUnknown,
    OutsideItsRequest,
    PatchError,
    Run,
    RunEnded,
    SchemaError,
    Statistics,
    SwallowedError,
    TransactionLost,
    Verdict,
    connection_for,
    doom,
    in_transaction,
    missing_in_table,
    no_transaction,
    on_commit,
    on_rollback,
    reading,
    runs,
    savepoint,
    statistics,
    transaction_per_request,
    update_table,
    writing,
)

ERRORS: tuple[type[Exception], ...] = (
    OutcomeUnknown, OutsideItsRequest, PatchError, RunEnded, SchemaError, SwallowedError,
    TransactionLost,
)  # fmt: skip


def veto(status: str, headers: list[tuple[str, str]]) -> bool:
    return status.startswith("4")


def unavailable(headers: dict[str, str], reason: Verdict) -> Exception:
    return RuntimeError(reason.value)


def observer(run: Run) -> None:
    assert_type(run.seconds, float)


load_sqlo = transaction_per_request(
    "sqlite:///site.db",
    attempts=3,
    retry_seconds=1.5,
    commit_veto=veto,
    unavailable=unavailable,
    stream_writes=True,
    observer=observer,
    timeout=5,
    cache_rows=100,
)
assert_type(load_sqlo, Callable[..., Any])
load_sqlo()
transaction_per_request(attempts=3)  # type: ignore[call-arg]
transaction_per_request("sqlite:///site.db", attempts="3")  # type: ignore[arg-type]
transaction_per_request("sqlite:///site.db", commit_veto=len)  # type: ignore[arg-type]

connection = connection_for("sqlite:///site.db", timeout=5)
connection.queryAll("SELECT 1")
connection_for("sqlite:///site.db", observer=1)  # type: ignore[arg-type]
connection_for(1)  # type: ignore[arg-type]


def number(of: str, times: int = 1) -> int:
    return len(of) * times


assert_type(in_transaction(lambda: number("a")), int)
assert_type(in_transaction(lambda: "a", False, attempts=2, seconds=0.5), str)
in_transaction(number)  # type: ignore[arg-type]
in_transaction(lambda: 1, connection="sqlite:///site.db")  # type: ignore[call-overload]


@in_transaction(writing=False, attempts=2, seconds=1, connection=connection)
def decorated(of: str, times: int = 1) -> int:
    return number(of, times)


assert_type(decorated("a", times=2), int)
decorated(1)  # type: ignore[arg-type]


class Page:
    @reading
    def GET(self, name: str) -> str:
        return name

    @writing(attempts=2, timeout=1.5)
    def POST(self, name: str) -> str:
        return name

    @no_transaction
    def PUT(self) -> None:
        doom()


assert_type(Page().GET("a"), str)
assert_type(Page().POST("a"), str)
Page().GET(1)  # type: ignore[arg-type]
Page().POST(1)  # type: ignore[arg-type]
reading(timeout="1")  # type: ignore[call-overload]
writing(1)  # type: ignore[call-overload]
no_transaction(1)  # type: ignore[type-var]


def in_a_block() -> int:
    # An error leaves the block, so nothing is missing after it.
    with savepoint():
        return runs()


on_commit(lambda: number("a"))
on_rollback(in_a_block)
on_commit(number)  # type: ignore[arg-type]
assert_type(runs(), int)
assert_type(statistics(), Statistics)
assert_type(statistics().hits, int)


def told(error: GivenUp, model: type[SQLObject]) -> Verdict:
    assert_type(update_table(model), list[str])
    assert_type(missing_in_table(model), list[str] | None)
    return error.reason
