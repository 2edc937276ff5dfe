"""What a handler says to its transaction: doom, savepoints, functions for after it, its kind."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import Any, TypeVar, cast, overload

from .current import current, required, resting
from .streaming import RestingChunks, is_streamed

Method = TypeVar("Method", bound=Callable[..., Any])


def on_commit(function: Callable[[], object]) -> None:
    """Call `function()` once the transaction is committed; not if it is rolled back.

    It is called after the answer is settled, in its own transaction if it uses models. Its
    failure is logged and changes nothing. Outside a transaction it is called at once.
    """
    transaction = current()
    if transaction is None:
        function()
    else:
        transaction.after_commit = (*transaction.after_commit, function)


def on_rollback(function: Callable[[], object]) -> None:
    """Call `function()` once the transaction is rolled back for good; not if it is committed.

    Otherwise as on_commit. It is for an audit row, for example. A run that another one follows is
    not rolled back for good. Outside of a transaction nothing is rolled back, and it is not
    called.
    """
    transaction = current()
    if transaction is not None:
        transaction.after_rollback = (*transaction.after_rollback, function)


def doom() -> None:
    """Have the transaction rolled back, however the handler returns.

    Raises RuntimeError outside a transaction.
    """
    required("doom()").doomed = True


def savepoint() -> AbstractContextManager[None, None]:
    """Return a context manager that undoes its block's writes if it raises; the error goes on.

    What the block gave to `on_commit` is dropped too. After an error inside it the handler may go
    on and its transaction still commits. A web.HTTPError below 500 is no failure: what the block
    did stays, because such an error commits everywhere. Raises RuntimeError outside of a
    transaction.
    """
    transaction = required("savepoint()")
    return transaction.savepoint(transaction.commits)


def runs() -> int:
    """Return how many times the handler has been begun: 1 in its first run, then 2 …

    Outside a transaction it is 1.
    """
    transaction = current()
    return 1 if transaction is None else transaction.runs


@overload
def reading(method: Method) -> Method: ...


@overload
def reading(
    *, attempts: int | None = None, timeout: float | None = None
) -> Callable[[Method], Method]: ...


def reading(method=None, *, attempts=None, timeout=None):
    """Mark a handler's method as a reading request, whatever its HTTP method: a search by POST.

    It takes no write lock; if it writes all the same, it is run again as a writing request.
    `attempts`: how often it is run at most when it conflicts. `timeout`: the seconds from the
    request's start to its deadline, where that is earlier than the usual one. Inside another
    request the outer one's limits hold.
    """
    return _marked(method, False, attempts, timeout)


@overload
def writing(method: Method) -> Method: ...


@overload
def writing(
    *, attempts: int | None = None, timeout: float | None = None
) -> Callable[[Method], Method]: ...


def writing(method=None, *, attempts=None, timeout=None):
    """Mark a handler's method as a writing request, whatever its HTTP method: a GET that counts.

    So it is not run twice. Options as of `reading`.
    """
    return _marked(method, True, attempts, timeout)


def _marked(method, kind, attempts, timeout):
    def mark(method):
        @wraps(method)
        def marked(*arguments, **named):
            transaction = current()
            if transaction is not None:
                transaction.limit(attempts, timeout)
                transaction.become(kind)
            return method(*arguments, **named)

        return marked

    return mark if method is None else mark(method)


def no_transaction(method: Method) -> Method:
    """Mark a handler's method that holds no transaction, such as while it waits for a service.

    Models used in it raise RuntimeError: it reaches the database by in_transaction. What
    processors have read before it ends, and is read anew after it. A generator holds no
    transaction while it produces its chunks, and they are sent at once. A GivenUp that it does not
    catch is answered 503, if nothing that it asked for before is committed. Raises RuntimeError
    where a processor has written before, in a savepoint, and in a request inside another.
    """

    @wraps(method)
    def marked(*arguments, **named):
        transaction = current()
        if transaction is None:
            return method(*arguments, **named)
        with resting(transaction):
            answer = method(*arguments, **named)
        if is_streamed(answer):
            return RestingChunks(answer, partial(resting, transaction))
        return answer

    return cast(Method, marked)
