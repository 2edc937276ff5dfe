"""Lists of users as the site's answers give them, and what is wrong with one.

The users of the load test are keys of a Ledger by their names, which never change; a user's value
there is its full name. Of others on the site only the order is checked.
"""

import ast
import dataclasses
import html
import math
import re

from scripts.lib.loadtest.ledger import ABSENT, MADE_UP

MALFORMED = "malformed answer"
MISCOUNTED = "count that does not add up"

_TABLE_ROW = re.compile(
    r'<tr id="user-(\d+)"><td class="id">(\d+)</td>'
    r'<th scope="row"><a href="[^"]*">(.*?)</a></th><td>(.*?)</td></tr>'
)
_NEXT_PAGE = re.compile(r'<a href="[^"]*\?after=(\d+)" rel="next">')
_TEXT_LINE = re.compile(r"<User (\d+) name=('.*'|\".*\") fullname=('.*'|\".*\")>")


@dataclasses.dataclass(frozen=True)
class Listing:
    """Users in the order of an answer, as (id, name, full name), and what they are a list of.

    after: users with ids above it are listed. following: the `after` of the next page, None if
    this is the last one. limit: how many a page has at most.
    """

    rows: list
    after: int = 0
    following: int | None = None
    limit: float = math.inf

    @property
    def last(self):
        """The highest id that would be listed."""
        return math.inf if self.following is None else self.following


def of_page(text, after):
    """The Listing of the site's page of users; raises ValueError if it is not one."""
    found = _TABLE_ROW.findall(text)
    if text.count('<tr id="user-') != len(found) or any(row[0] != row[1] for row in found):
        raise ValueError("not the page of the users")
    rows = [(int(row[0]), html.unescape(row[2]), html.unescape(row[3])) for row in found]
    following = _NEXT_PAGE.search(text)
    return Listing(rows, after, int(following[1]) if following else None, 100)


def of_text(text):
    """The Listing of the plain-text list; raises ValueError if it is not one."""
    rows = []
    for line in text.split("\n")[:-1]:
        found = _TEXT_LINE.fullmatch(line)
        try:
            rows.append((int(found[1]), ast.literal_eval(found[2]), ast.literal_eval(found[3])))
        except (TypeError, SyntaxError):
            raise ValueError("not the list of the users") from None
    return Listing(rows)


def of_json(answer, after, limit):
    """The Listing of the API's list; raises ValueError if it is not one."""
    try:
        rows = [(user["id"], user["name"], user["fullname"]) for user in answer["users"]]
        return Listing(rows, after, answer["next"], limit)
    except (KeyError, TypeError):
        raise ValueError("not the API's list of the users") from None


class Users:
    """The users that one process of the load test created: their Ledger, and their ids by name."""

    def __init__(self, ledger, prefix):
        """`prefix`: what the names of these users, and of no others, begin with."""
        self.ledger = ledger
        self.prefix = prefix
        self.ids = {}

    def fault_of_one(self, name, row, began, ended):
        """What is wrong with an answer about the user `name`: its row, or ABSENT; or None."""
        if row is ABSENT:
            return self.ledger.fault(name, ABSENT, began, ended)
        number, told, fullname = row
        if told != name or self.ids.get(name, number) != number:
            return MADE_UP
        fault = self.ledger.fault(name, fullname, began, ended)
        if fault is None:
            self.ids.setdefault(name, number)
        return fault

    def fault_of_list(self, listing, began, ended):
        """The first thing that is wrong with a list that was asked for and answered then.

        Its order and length, each user of ours on it, and each of ours that is not.
        """
        numbers = [row[0] for row in listing.rows]
        in_order = all(a < b for a, b in zip([listing.after, *numbers], numbers, strict=False))
        full = listing.following is None or (
            len(numbers) == listing.limit and numbers[-1] == listing.following
        )
        if not in_order or not full or len(numbers) > listing.limit:
            return MISCOUNTED
        ours = {row[1]: row for row in listing.rows if row[1].startswith(self.prefix)}
        absent = [
            name
            for name, number in self.ids.items()
            if listing.after < number <= listing.last and name not in ours
        ]
        rows = [*ours.items(), *((name, ABSENT) for name in absent)]
        faults = (self.fault_of_one(name, row, began, ended) for name, row in rows)
        return next(filter(None, faults), None)

    def forget(self, name):
        """Stop looking for a deleted user on lists: one that shows it is found anyway."""
        self.ids.pop(name, None)
