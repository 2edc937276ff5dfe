"""Transfers between accounts, and reads of all of them: sums that cannot be."""

from scripts.lib.coherency.checkers import bank
from scripts.lib.coherency.workloads.base import Workload

BALANCE = 1_000_000
ACCOUNTS = 8


def _steps(turn):
    if turn.often():
        if turn.often():
            return [("list", (turn.keys[0], turn.keys[-1]))]
        return [("read", key) for key in turn.keys]
    one, other = turn.choice.sample(turn.keys, 2)
    amount = turn.choice.randint(1, 5)
    return [("add", one, -amount), ("add", other, amount)]


def _check(history):
    # A read has all accounts.
    accounts = {key for operation in history for key, _ in operation.steps("read")}
    return bank.check(history, accounts, ACCOUNTS * BALANCE)


WORKLOAD = Workload("bank", _steps, _check, value=BALANCE, window=ACCOUNTS)
