"""Lists that are not what was asked for, whatever else a workload checks."""

from scripts.lib.coherency.checkers.result import Findings


def check(history, absent):
    """Return the Result; `absent`: keys may be missing, else each exists at all times.

    Anomaly: "wrong list", which is not in the order of its keys, has a key twice or one that its
    condition excludes, or lacks one that exists.
    """
    findings = Findings()
    for operation in history:
        for step in operation.value if operation.ok else ():
            if step[0] == "list" and (fault := _fault(*step[1:], absent)):
                findings.add("wrong list", (operation,), f"the list of {_told(step[1])} {fault}")
    return findings.result(True)


def _fault(asked, seen, absent):
    keys = [key for key, _ in seen]
    if keys != sorted(set(keys)):
        return f"has the keys {keys}, not each once and in order"
    first, last, *wanted = asked
    if any(not first <= key <= last or value not in (wanted or (value,)) for key, value in seen):
        return f"has others: {seen}"
    if not absent and not wanted and len(keys) <= last - first:
        return f"lacks {sorted(set(range(first, last + 1)) - set(keys))}"
    return ""


def _told(asked):
    return f"the keys {asked[0]} to {asked[1]}" + (f" with {asked[2]}" if asked[2:] else "")
