"""scripts/coherency --oracle: the checkers against a search through all orders of transactions.

On small random histories, valid and broken ones, a checker that claims to be exact must say what
the search says, and any other must never call one invalid that has a serial order. Each must find
every kind of anomaly that it names. The exit status is 0 if all agree, else 1.
"""

import collections
import dataclasses
import random

from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.history import FINDING, Operation, is_undone, to_line
from scripts.lib.coherency.oracle_subjects import KEYS, SUBJECTS

MOST_TRANSACTIONS = 6
TYPES = ("ok",) * 6 + ("info", "fail")
# An element that nobody appends.
NOBODYS = 999


class DisagreementError(Exception):
    """A checker and the search differ; the message has the history."""


def has_serial_order(history, empty):
    """Whether an order of the transactions agrees with all that they found and with their times.

    Each acknowledged one is in it; one of unknown outcome may be; one that failed is not. `empty`:
    what a key begins with, None if it does not exist. It tries all orders, so a history must be
    small.
    """
    candidates = [operation for operation in history if not operation.aborted]
    return _fits(candidates, {}, empty)


def _fits(left, state, empty):
    if not any(operation.ok for operation in left):
        return True
    first_end = min(operation.t1 for operation in left if operation.ok)
    for operation in left:
        # Nothing comes before what had ended before it began.
        if operation.t0 <= first_end:
            done = _executed(operation.value, state, empty)
            if done is None or (operation.ok and done[0] != operation.value):
                continue
            rest = [other for other in left if other is not operation]
            if _fits(rest, done[1], empty):
                return True
    return False


def _executed(steps, state, empty):
    """Return (the steps with what they find now, the state after them); None if one is refused."""
    state, told = dict(state), []
    for step in steps:
        kind, key, *given = step
        if kind == "savepoint":
            done = _executed(key, state, empty)
            if done is None:
                return None
            told.append((kind, done[0], *given))
            if not is_undone(step):
                state = done[1]
            continue
        if kind in FINDING:
            told.append((kind, key, _found(kind, key, state, empty)))
            continue
        told.append(step)
        old = state.get(key, empty)
        if (old is None) is not (kind == "insert"):
            return None
        state[key] = _value_after(kind, old, *given)
    return tuple(told), state


def _found(kind, place, state, empty):
    if kind == "read":
        return state.get(place, empty)
    pairs = ((key, state.get(key, empty)) for key in range(place[0], place[1] + 1))
    found = tuple((key, value) for key, value in pairs if value in (place[2:] or (value,)))
    found = tuple(pair for pair in found if pair[1] is not None)
    return len(found) if kind == "count" else found


def _value_after(kind, old, value=None):
    if kind == "append":
        return (*old, value)
    return old + value if kind == "add" else value


def random_history(subject, choice):
    """A history of at most MOST_TRANSACTIONS with a serial order, perhaps broken afterwards."""
    keys = KEYS[: choice.randint(1, len(KEYS))]
    state, history, ends, unknown = {}, [], {}, collections.Counter()
    for number in range(1, choice.randint(2, MOST_TRANSACTIONS) + 1):
        steps = subject.steps(choice, number, choice.choice(keys))
        client = subject.client(choice, number, steps)
        type = choice.choice(TYPES)
        # One client's operations come one after the other.
        t0 = max(100 * number - choice.randint(0, 250), ends.get(client, 0))
        t1 = 100 * number + choice.randint(0, 250 if client == number else 90)
        ends[client] = t1 + 1
        unanswered = tuple((*step, None) if step[0] in FINDING else step for step in steps)
        done = _executed(unanswered, state, subject.empty)
        if done is None:
            type = "fail"
        elif type == "ok" or (type == "info" and choice.random() < 0.5):
            state = done[1]
        value = done[0] if type == "ok" else unanswered
        # After an unknown outcome a client goes on under another number.
        known_as = client + 1000 * unknown[client]
        unknown[client] += type == "info"
        history.append(Operation(client=known_as, type=type, t0=t0, t1=t1, value=value))
    for _ in range(choice.choice((0, 1, 1, 2))):
        history = _broken(history, choice, may_move=subject.exact)
    return history


def _broken(history, choice, may_move):
    """The history with one finding or one time changed, which may leave it valid."""
    number = choice.randrange(len(history))
    operation = history[number]
    places = [place for place, step in enumerate(operation.value) if step[0] in FINDING]
    if operation.ok and places and choice.random() < 0.8:
        place = choice.choice(places)
        kind, key, found = operation.value[place]
        seen = [
            step[2]
            for other in history
            if other.ok
            for step in other.value
            if step[0] == kind and step[1] == key
        ]
        appended = [
            step[2] for other in history for step in other.value if step[:2] == ("append", key)
        ]
        value = list(operation.value)
        value[place] = (kind, key, _wrong(kind, found, seen, appended, choice))
        operation = dataclasses.replace(operation, value=tuple(value))
    elif may_move:
        moved = choice.choice((-150, 150))
        operation = dataclasses.replace(
            operation, t0=operation.t0 + moved, t1=operation.t1 + moved
        )
    return [*history[:number], operation, *history[number + 1 :]]


def _wrong(kind, value, seen, appended, choice):
    if choice.random() < 0.5:
        return choice.choice(seen)
    if isinstance(value, int):
        return max(0, value + choice.choice((-1, 1)))
    if kind == "list":
        return _wrong_list(value, choice)
    more = choice.choice((*appended, NOBODYS))
    return choice.choice((value[:-1], value[1:], value[::-1], (*value, more)))


def _wrong_list(pairs, choice):
    """A list without one of its rows, with one twice, in another order, or with another value."""
    if not pairs:
        return ((choice.choice(KEYS), 1),)
    place = choice.randrange(len(pairs))
    key, value = pairs[place]
    return choice.choice(
        (
            pairs[:place] + pairs[place + 1 :],
            pairs[: place + 1] + pairs[place:],
            pairs[::-1],
            (*pairs[:place], (key, value + choice.choice((-1, 1))), *pairs[place + 1 :]),
        )
    )


def compare(name, count, seed):
    """Compare a subject's verdicts on `count` random histories; returns two Counters.

    One of the verdicts: "serial" and "not serial" to the search, "found" by the checker; and one
    of the histories in which each anomaly was found. Raises DisagreementError.
    """
    subject = SUBJECTS[name]
    choice = random.Random(f"{name} {seed}")
    verdicts, anomalies = collections.Counter(), collections.Counter()
    for _ in range(count):
        history = random_history(subject, choice)
        serial = has_serial_order(history, subject.empty)
        result = subject.check(history)
        found = result.outcome
        verdicts["serial" if serial else "not serial"] += 1
        verdicts["found"] += found is Outcome.INVALID
        anomalies.update(result.counts.keys())
        wrong = found is Outcome.INVALID if serial else found is Outcome.VALID and subject.exact
        if wrong:
            told = f"{name}: the checker says {found.name.lower()}, the search {serial=}, of"
            raise DisagreementError("\n".join([told, *map(to_line, history)]))
    return verdicts, anomalies


def main(count, seed):
    """Compare every subject on `count` histories and print what was found; returns the status."""
    print("| checker | histories | with a serial order | without | found invalid | anomalies |")
    print("|---|---|---|---|---|---|")
    for name in SUBJECTS:
        try:
            verdicts, anomalies = compare(name, count, seed)
        except DisagreementError as error:
            print(error)
            return 1
        told = ", ".join(f"{number:,} {anomaly}" for anomaly, number in anomalies.most_common())
        print(
            f"| {name} | {count:,} | {verdicts['serial']:,} | {verdicts['not serial']:,} "
            f"| {verdicts['found']:,} | {told} |"
        )
    return 0
