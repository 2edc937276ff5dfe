"""A bank: transfers between accounts, and reads of all of them at once."""

from scripts.lib.coherency.checkers.result import Findings


def check(history, accounts, total):
    """Return the Result: every read of all `accounts` sums to `total`, and no account is below 0.

    Anomalies: "torn read", a wrong sum; "lost money", a wrong sum when every transfer had ended;
    "negative balance" (the transfers must be such that no order of them overdraws).
    """
    transfers = [operation for operation in history if operation.steps("add")]
    quiet = max((operation.t1 for operation in transfers), default=-1)
    findings = Findings()
    checked = 0
    for operation in history:
        balances = dict(operation.steps("read"))
        if not operation.ok or not balances.keys() >= set(accounts):
            continue
        checked += 1
        amount = sum(balances[account] for account in accounts)
        if amount != total:
            anomaly = "lost money" if operation.t0 > quiet else "torn read"
            findings.add(anomaly, (operation,), f"the accounts sum to {amount}, not {total}")
        if min(balances.values()) < 0:
            findings.add("negative balance", (operation,), "an account is below 0")
    return findings.result(checked)
