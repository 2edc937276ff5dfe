"""What the lab accepts: the operations of a transaction and the values of a reset, with limits."""

import json

from app.web.problems import wrong_fields

MOST_OPERATIONS = 100
MOST_SLEEP = 1000
MOST_KEYS = 20_000
# How many keys a list or a count looks at.
MOST_LISTED = 400
LONGEST_LIST = 5000
# What a column TEXT of MariaDB takes, in bytes.
LONGEST_TEXT = 2**16 - 1
# The largest integer that all readers of JSON read exactly (RFC 8259, 6).
LARGEST = 2**53 - 1


def is_integer(value):
    """Whether `value` is an integer that the lab stores."""
    return type(value) is int and -LARGEST <= value <= LARGEST


def stored(value):
    """Return the text by which the database stores a value."""
    return json.dumps(value, separators=(",", ":"))


def is_list(value):
    """Whether the lab stores the list `value`, which has integers only."""
    return len(value) <= LONGEST_LIST and len(stored(value)) <= LONGEST_TEXT


def _is_key(value):
    return is_integer(value) and 1 <= value <= MOST_KEYS


def _is_value(value):
    if type(value) is list:
        return all(map(is_integer, value)) and is_list(value)
    return is_integer(value)


def _is_sleep(value):
    return is_integer(value) and 0 <= value <= MOST_SLEEP


def _is_range(value):
    """Whether `value` is [first key, last key], or that and the value that a row must have."""
    if type(value) is not list or len(value) not in (2, 3) or not all(map(_is_key, value[:2])):
        return False
    return 0 <= value[1] - value[0] < MOST_LISTED and all(map(_is_value, value[2:]))


def _is_kind_of_failure(value):
    return value in ("caught", "uncaught")


def _is_ending(value):
    return value in ("raise", None)


def _are_simple(value):
    return type(value) is list and value != [] and all(map(_is_simple, value))


VALUE = (
    f"an integer or a list of at most {LONGEST_LIST} integers, in JSON {LONGEST_TEXT} characters"
)
SIMPLE = {
    "read": (_is_key,),
    "list": (_is_range,),
    "count": (_is_range,),
    "write": (_is_key, _is_value),
    "append": (_is_key, is_integer),
    "add": (_is_key, is_integer),
    "insert": (_is_key, _is_value),
    "delete": (_is_key,),
    "on_commit": (_is_key, is_integer),
    "fail": (_is_kind_of_failure,),
    "sleep": (_is_sleep,),
    "raise": (),
}
ARGUMENTS = {**SIMPLE, "savepoint": (_are_simple, _is_ending)}
FORMS = (
    '["read",key], ["list",range], ["count",range], ["write",key,value], ["append",key,number], '
    '["add",key,number], ["insert",key,value], ["delete",key], ["on_commit",key,number], '
    '["fail","caught" or "uncaught"], ["sleep",ms], ["raise"], '
    '["savepoint",[operations without savepoint],"raise" or null]'
)


def checked_operations(body):
    """Return the operations in a request's JSON object; raises Problem 422 if they are wrong."""
    faults = {field: "is not a field of a transaction" for field in body if field != "operations"}
    if fault := _fault(body.get("operations")):
        faults["operations"] = fault
    if faults:
        raise wrong_fields(422, faults)
    return body["operations"]


def operations_in(texts):
    """Return the operations in the values of a query parameter; raises Problem 422 if wrong."""
    try:
        (text,) = texts
        operations = json.loads(text)
    except (ValueError, RecursionError):
        operations = None
    return checked_operations({"operations": operations})


def _fault(operations):
    """What is wrong with operations, in words, or None."""
    if type(operations) is not list or not 1 <= len(operations) <= MOST_OPERATIONS:
        return f"must be a list of 1 to {MOST_OPERATIONS} operations"
    if wrong := [number for number, one in enumerate(operations, 1) if not _is_operation(one)]:
        return (
            f"number {wrong[0]} is not one of {FORMS}, with a key from 1 to {MOST_KEYS}, a range "
            f"[first,last] or [first,last,value] of at most {MOST_LISTED} keys, and a value that "
            f"is {VALUE}"
        )
    single = [one for one in operations if one[0] != "savepoint"]
    single += [one for outer in operations if outer[0] == "savepoint" for one in outer[1]]
    if len(single) > MOST_OPERATIONS:
        return f"must be at most {MOST_OPERATIONS}, those in savepoints included"
    if sum(one[1] for one in single if one[0] == "sleep") > MOST_SLEEP:
        return f"must not sleep more than {MOST_SLEEP} ms in total"
    return None


def _is_simple(value):
    return _is_operation(value, SIMPLE)


def _is_operation(value, arguments=ARGUMENTS):
    if type(value) is not list or not value or type(value[0]) is not str:
        return False
    rules = arguments.get(value[0])
    if rules is None or len(value) != len(rules) + 1:
        return False
    return all(rule(argument) for rule, argument in zip(rules, value[1:], strict=True))


def checked_reset(body):
    """Return (number of keys, their value) of a JSON object; raises Problem 422 if wrong."""
    known = ("keys", "value")
    faults = {field: "is not a field of a reset" for field in body if field not in known}
    if not _is_key(body.get("keys")):
        faults["keys"] = f"must be a whole number from 1 to {MOST_KEYS}"
    if not _is_value(body.get("value")):
        faults["value"] = f"must be {VALUE}"
    if faults:
        raise wrong_fields(422, faults)
    return body["keys"], body["value"]
