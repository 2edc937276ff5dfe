"""Which users a page of the list shows: its search, its order, and where it begins.

A page begins beyond a row, not after a number of rows. So every page costs the same, and where
rows come and go between two pages, nobody is left out or shown twice.
"""

import re
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from sqlobject.sqlbuilder import AND, DESC, LIKE, OR, func

from app.models import LONGEST_FULLNAME, User
from app.web.inputs import query_number, query_text
from app.web.problems import wrong_fields

PAGE_LENGTH = 100
SORTS = ("id", "name", "fullname")


@dataclass(frozen=True)
class Listing:
    """What a page of the list shows, as its address says it.

    Users whose name or full name contains `search`, in any case, sorted by the field `sort`. The
    page has those after the user whose id is `beyond` and whose field is `value`, or with
    `backward` those before. SQLite ignores the case of ASCII letters only, and so does PostgreSQL
    where the locale is C.
    """

    search: str = ""
    sort: str = "id"
    descending: bool = False
    beyond: int | None = None
    value: str = ""
    backward: bool = False

    @classmethod
    def asked(cls):
        """Return the Listing of the request's query; raises Problem 400 where that is wrong."""
        sort = query_text("sort", 20, "id")
        if sort.removeprefix("-") not in SORTS:
            fault = f"must be one of {', '.join(SORTS)}, with - before it for the other direction"
            raise wrong_fields(400, {"sort": fault})
        after, before = query_number("after", None, 0), query_number("before", None, 0)
        if None not in (after, before):
            raise wrong_fields(400, {"before": "excludes after"})
        return cls(
            query_text("q", LONGEST_FULLNAME).strip(),
            sort.removeprefix("-"),
            sort.startswith("-"),
            before if after is None else after,
            query_text("from", LONGEST_FULLNAME),
            before is not None,
        )

    def page(self):
        """Return the users of the page, and the Listings of the pages before and after it.

        These are None where there is none. It takes one query.
        """
        down = self.descending != self.backward
        found = User.select(self._condition(down), orderBy=self._order(down))
        users = list(found.limit(PAGE_LENGTH + 1))
        more = len(users) > PAGE_LENGTH
        users = users[:PAGE_LENGTH]
        if self.backward:
            users.reverse()
        before = users and (more if self.backward else self.beyond is not None)
        behind = users and (self.backward or more)
        return (
            users,
            self._next_to(users[0], backward=True) if before else None,
            self._next_to(users[-1]) if behind else None,
        )

    def sorted_by(self, sort):
        """Return the Listing to which a click on a column's head leads: a first page."""
        return Listing(self.search, sort, sort == self.sort and not self.descending)

    @property
    def first(self):
        """The Listing of the first page, which may be this one."""
        return replace(self, beyond=None, value="", backward=False)

    @property
    def query(self):
        """The query of this Listing's address, with its question mark; "" for the address `/`."""
        sort = ("-" if self.descending else "") + self.sort
        parts = {"q": self.search, "sort": sort if sort != "id" else ""}
        if self.beyond is not None:
            parts["before" if self.backward else "after"] = str(self.beyond)
            parts["from"] = self.value
        text = urlencode({name: value for name, value in parts.items() if value})
        return f"?{text}" if text else ""

    def _condition(self, down):
        conditions = []
        if self.search:
            # The database turns both into small letters: Python knows more of them.
            pattern = func.LOWER("%" + re.sub(r"([\\%_])", r"\\\1", self.search) + "%")
            columns = (User.q.name, User.q.fullname)
            found = [LIKE(func.LOWER(column), pattern, escape="\\") for column in columns]
            conditions.append(OR(*found))
        if self.beyond is not None:
            conditions.append(self._is_beyond(down))
        return AND(*conditions) if conditions else None

    def _is_beyond(self, down):
        by_id = User.q.id < self.beyond if down else User.q.id > self.beyond
        if self.sort == "id":
            return by_id
        here, there = self._key(), func.LOWER(self.value)
        return OR(here < there if down else here > there, AND(here == there, by_id))

    def _order(self, down):
        keys = [User.q.id] if self.sort == "id" else [self._key(), User.q.id]
        return [DESC(key) for key in keys] if down else keys

    def _key(self):
        return func.LOWER(getattr(User.q, self.sort))

    def _next_to(self, user, backward=False):
        value = "" if self.sort == "id" else getattr(user, self.sort)
        return replace(self, beyond=user.id, value=value, backward=backward)
