"""What the lab accepts: the operations of a transaction and the values of a reset, all bounded."""

import json

from app.web.problems import wrong_fields

MOST_OPERATIONS = 100
MOST_SLEEP = 1000
MOST_KEYS = 20_000
LONGEST_LIST = 5000
# What a column TEXT of MariaDB takes, in bytes.
LONGEST_TEXT = 2**16 - 1
# The largest integer that all readers of JSON keep exactly (RFC 8259, 6).
LARGEST = 2**53 - 1


def is_integer(value):
    """Whether `value` is an integer that the lab stores."""
    return type(value) is int and -LARGEST <= value <= LARGEST


def stored(value):
    """The text that stands in the database for a value."""
    return json.dumps(value, separators=(",", ":"))


def is_list(value):
    """Whether `value` is a list that the lab stores, given that it has integers only."""
    return len(value) <= LONGEST_LIST and len(stored(value)) <= LONGEST_TEXT


def _is_key(value):
    return is_integer(value) and 1 <= value <= MOST_KEYS


def _is_value(value):
    if type(value) is list:
        return all(map(is_integer, value)) and is_list(value)
    return is_integer(value)


def _is_sleep(value):
    return is_integer(value) and 0 <= value <= MOST_SLEEP


VALUE = (
    f"an integer or a list of at most {LONGEST_LIST} integers, in JSON {LONGEST_TEXT} characters"
)
ARGUMENTS = {
    "read": (_is_key,),
    "write": (_is_key, _is_value),
    "append": (_is_key, is_integer),
    "add": (_is_key, is_integer),
    "sleep": (_is_sleep,),
    "raise": (),
}


def checked_operations(body):
    """Return the operations in a request's JSON object; raises Problem 422 if they are wrong."""
    faults = {field: "is not a field of a transaction" for field in body if field != "operations"}
    operations = body.get("operations")
    if type(operations) is not list or not 1 <= len(operations) <= MOST_OPERATIONS:
        faults["operations"] = f"must be a list of 1 to {MOST_OPERATIONS} operations"
    elif wrong := [number for number, one in enumerate(operations, 1) if not _is_operation(one)]:
        faults["operations"] = (
            f"number {wrong[0]} is none of "
            '["read",key], ["write",key,value], ["append",key,number], ["add",key,number], '
            f'["sleep",ms], ["raise"] with a key from 1 to {MOST_KEYS} and a value that is {VALUE}'
        )
    elif sum(one[1] for one in operations if one[0] == "sleep") > MOST_SLEEP:
        faults["operations"] = f"must not sleep more than {MOST_SLEEP} ms together"
    if faults:
        raise wrong_fields(422, faults)
    return operations


def _is_operation(value):
    if type(value) is not list or not value or type(value[0]) is not str:
        return False
    rules = ARGUMENTS.get(value[0])
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
