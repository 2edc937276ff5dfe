"""What each anomaly is, in a sentence; the names are the field's (Adya's, Elle's, Bernstein's)."""

SENTENCES = {
    "stale read": "A read shows an older value than one acknowledged before it began.",
    "read-your-writes": "A client does not see what it has itself written before.",
    "monotonic reads": "A client reads an older value than it has read before.",
    "not linearizable": "No order of these reads and writes agrees with their times and values.",
    "lost update": "Two requests changed a value from the same state: one change is gone.",
    "invented update": "A read shows more than the clients had begun to add.",
    "torn read": "One read shows a part of a transfer between accounts and not the other.",
    "lost money": "Every transfer has ended and the accounts do not add up.",
    "negative balance": "An account was overdrawn that no order of the transfers overdraws.",
    "lost write": "An acknowledged write is not there in the end.",
    "aborted read": "A value is visible although its transaction was rolled back.",
    "invented value": "A value is visible that nobody had begun to write.",
    "duplicate": "A value that was appended once is there twice.",
    "internal": "A transaction does not see its own change.",
    "incompatible order": "Two reads show the same appends in orders that exclude each other.",
    "G0": "Two transactions' writes are interleaved (dirty write).",
    "G1a": "A value is visible although its transaction was rolled back (aborted read).",
    "G1b": "A read shows a value from the middle of a transaction (intermediate read).",
    "G1c": "Transactions saw each other's writes, each before the other (circular information).",
    "G-single": "A transaction saw a part of what another wrote and missed the rest (read skew).",
    "G2-item": "Each of several transactions missed what the next one wrote (write skew).",
    "G2": "Two transactions each found the same keys by a condition and added one (phantom).",
    "phantom": "A condition finds other rows than the rest of the request has seen.",
    "non-repeatable read": "A request reads one key twice and finds two values.",
    "read skew": "A request sees a part of what another wrote and misses the rest.",
    "leftover": "An answer has a header of a run of its handler that came to nothing.",
    "early": "What must follow the commit is visible before it.",
    "wrong list": "A list is not in its order, has a row twice, lacks one or has another.",
    "error": "A request that asked for no failure was answered by one, with nothing disturbed.",
    "long fork": "Two reads saw two writes in opposite orders.",
    "does not recover": "Requests still fail long after the last fault has passed.",
}
ENDINGS = {
    "-process": " The order of one client's operations is a part of the contradiction.",
    "-realtime": " The order of operations that do not overlap is a part of it.",
}
EDGES = {
    "ww": "the second overwrote what the first wrote",
    "wr": "the second read what the first wrote",
    "rw": "the second overwrote what the first read",
    "process": "the same client did the second after the first",
    "realtime": "the first had been answered before the second began",
}


def explained(anomaly):
    """What the anomaly is, in a sentence or two; "" for a name that is not known."""
    for ending, more in ENDINGS.items():
        if anomaly.endswith(ending):
            return explained(anomaly.removesuffix(ending)) + more
    return SENTENCES.get(anomaly, "")
