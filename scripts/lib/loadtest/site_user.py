"""A user of the site: reads its pages and the API's lists, creates, changes and deletes users."""

import itertools
import os
import random
import secrets
import time

from locust import task

from scripts.lib.loadtest import listings
from scripts.lib.loadtest.account_visit import visit
from scripts.lib.loadtest.exchange import CheckedUser
from scripts.lib.loadtest.ledger import ABSENT, LOST, MADE_UP, STALE, Ledger
from scripts.lib.loadtest.listings import MISCOUNTED, Users

MOST_OWN = 8
LONGEST_PAGE = 40
# The part of the reads that send the entity tag of what they have read before.
CONDITIONAL = 0.3

TAKEN = "name taken that nobody has"
OVERWRITTEN = "overwrote what was changed since it was read"
NOT_CHANGED = "changed since, though nobody has"
SENT_WHOLE = "sent again though nothing has changed"

# Several processes load the site, and each one checks what it has written itself.
_prefix = f"{os.environ['LOADTEST_PREFIX']}{secrets.token_hex(3)}-"
_users = Users(Ledger(), _prefix)
_numbers = itertools.count(1)


class SiteUser(CheckedUser):
    """Changes the users that it created, one write after the other, and reads everybody's.

    The names of a whole run begin with LOADTEST_PREFIX.
    """

    def __init__(self, environment):
        super().__init__(environment)
        self.own = []
        self.gone = []
        # The last write of these has an unknown outcome: they are not written any more.
        self.doubtful = []
        # The entity tags that each of its own has had, the present one last.
        self.tags = {}
        self.passwords = {}

    @task(10)
    def open_the_page(self):
        after = self._somewhere()
        path = f"/?after={after}" if after else "/"
        self._list(path, "/", lambda answer: listings.of_page(answer.text, after))

    @task(3)
    def open_the_text(self):
        self._list("/view", "/view", lambda answer: listings.of_text(answer.text))

    @task(10)
    def open_the_list(self):
        self._list_page(self._somewhere(), random.choice((10, LONGEST_PAGE, 100)), "/api/users")

    @task(3)
    def page_through(self):
        """Turn the pages over all of this user's own: together they must hold each of them."""
        if not self.own:
            return
        numbers = [_users.ids[name] for name in self.own]
        after, found = min(numbers) - 1, set()
        while after is not None and after < max(numbers):
            listing = self._list_page(after, LONGEST_PAGE, "/api/users, paged", found)
            after = listing.following if listing else None

    @task(30)
    def open_one(self):
        if self.own and random.random() < 0.6:
            name = random.choice(self.own)
        elif _users.ids:
            name = random.choice(list(_users.ids))
        else:
            return
        self._open(name, _users.ids[name], "/api/users/[id]")

    @task(5)
    def open_a_deleted_one(self):
        if self.gone:
            self._open(*random.choice(self.gone), "/api/users/[id], deleted")

    @task(8)
    def create(self):
        if len(self.own) >= MOST_OWN:
            return self.delete()
        name = f"{_prefix}{next(_numbers)}"
        fullname = _new_fullname()
        write = _users.ledger.begin(name, fullname, time.monotonic())

        def judge(answer):
            self._settle(write, answer, 201)
            if answer.status == 409:
                return TAKEN
            return self._echoed(name, answer, fullname) if answer.status == 201 else False

        password = secrets.token_hex(8)
        body = {"name": name, "fullname": fullname, "password": password}
        answer = self.write("POST", "/api/users", "/api/users", judge, body)
        if answer.status == 201 and name in _users.ids:
            self.own.append(name)
            self.tags[name] = [answer.tag]
            self.passwords[name] = password
        elif not answer.says_unchanged:
            self.doubtful.append(name)

    @task(15)
    def change(self):
        if not self.own:
            return self.create()
        name = random.choice(self.own)
        fullname = _new_fullname()
        write = _users.ledger.begin(name, fullname, time.monotonic())

        def judge(answer):
            self._settle(write, answer, 200)
            if answer.status == 404:
                return _users.fault_of_one(name, ABSENT, *answer.times) or LOST
            if answer.status == 412:
                return NOT_CHANGED
            return self._echoed(name, answer, fullname) if answer.status == 200 else False

        answer = self._patch(name, self.tags[name][-1], fullname, "/api/users/[id]", judge)
        if answer.status == 200:
            self.tags[name].append(answer.tag)
        elif not answer.says_unchanged:
            self._doubt(name)

    @task(4)
    def change_what_has_changed_since(self):
        edited = [name for name in self.own if len(self.tags[name]) > 1]
        if not edited:
            return
        name = random.choice(edited)
        fullname = _new_fullname()
        write = _users.ledger.begin(name, fullname, time.monotonic())

        def judge(answer):
            self._settle(write, answer, 200)
            if answer.status == 200:
                return OVERWRITTEN
            return None if answer.status == 412 else False

        old = random.choice(self.tags[name][:-1])
        answer = self._patch(name, old, fullname, "/api/users/[id], changed since", judge)
        if not answer.says_unchanged:
            self._doubt(name)

    def _patch(self, name, tag, fullname, kind, judge):
        path = f"/api/users/{_users.ids[name]}"
        return self.write("PATCH", path, kind, judge, {"fullname": fullname}, {"If-Match": tag})

    @task(3)
    def visit_the_account(self):
        if self.own:
            name = random.choice(self.own)
            visit(self, name, self.passwords[name])

    @task(6)
    def delete(self):
        if self.own:
            self._delete(random.choice(self.own))

    def on_stop(self):
        """Delete what this user created."""
        for name in [*self.own, *self.doubtful]:
            if name in _users.ids:
                self._delete(name)

    def _delete(self, name):
        number = _users.ids[name]
        write = _users.ledger.begin(name, ABSENT, time.monotonic())

        def judge(answer):
            self._settle(write, answer, 204)
            if answer.status == 404:
                return _users.fault_of_one(name, ABSENT, *answer.times)
            if answer.status == 412:
                return NOT_CHANGED
            return None if answer.status == 204 else False

        tag = self.tags[name][-1] if name in self.own else "*"
        headers = {"If-Match": tag}
        path = f"/api/users/{number}"
        answer = self.exchange("DELETE", path, "/api/users/[id]", judge, headers=headers)
        if answer.status in (204, 404):
            self._drop(name)
            _users.forget(name)
            self.gone = [*self.gone[-9:], (name, number)]
        elif not answer.says_unchanged:
            self._doubt(name)

    def _open(self, name, number, kind):
        tag = self.tags[name][-1] if name in self.own else None
        conditional = tag is not None and random.random() < CONDITIONAL

        def judge(answer):
            if answer.status == 404:
                return _users.fault_of_one(name, ABSENT, *answer.times)
            if answer.status not in (200, 304):
                return False
            if conditional != (answer.status == 304):
                return SENT_WHOLE if conditional else MADE_UP
            if tag not in (None, answer.tag):
                return NOT_CHANGED
            return None if conditional else self._echoed(name, answer)

        headers = {"If-None-Match": tag} if conditional else None
        kind = f"{kind}, conditional" if conditional else kind
        self.exchange("GET", f"/api/users/{number}", kind, judge, headers=headers)

    def _list_page(self, after, limit, kind, found=None):
        """Ask the API for a list and check it; returns the Listing, None if there is none.

        found: the names of this user's users on earlier pages. Those of this page are added, and
        none may be missing up to the page's end.
        """

        def check(answer):
            return listings.of_json(answer.json, after, limit)

        return self._list(f"/api/users?limit={limit}&after={after}", kind, check, found)

    def _list(self, path, kind, parsed, found=None):
        read = []

        def judge(answer):
            if answer.status != 200:
                return False
            listing = parsed(answer)
            read.append(listing)
            fault = _users.fault_of_list(listing, *answer.times)
            return fault or self._miscounted(listing, found)

        self.exchange("GET", path, kind, judge)
        return read[0] if read else None

    def _miscounted(self, listing, found):
        if found is None:
            return None
        found |= {row[1] for row in listing.rows}
        due = {name for name in self.own if _users.ids[name] <= listing.last}
        return None if due <= found else MISCOUNTED

    def _echoed(self, name, answer, written=None):
        """What is wrong with the user `name` in an answer of the API; None if nothing.

        written: the full name that it must have, as this request has written it.
        """
        user = answer.json
        if set(user) != {"id", "name", "fullname"}:
            return MADE_UP
        if written not in (None, user["fullname"]):
            return STALE
        row = (user["id"], user["name"], user["fullname"])
        return _users.fault_of_one(name, row, *answer.times)

    def _settle(self, write, answer, done):
        if answer.status == done:
            _users.ledger.acknowledge(write, answer.ended)
        elif answer.says_unchanged:
            _users.ledger.refuse(write)

    def _doubt(self, name):
        self._drop(name)
        self.doubtful.append(name)

    def _drop(self, name):
        self.tags.pop(name, None)
        self.passwords.pop(name, None)
        for names in (self.own, self.doubtful):
            if name in names:
                names.remove(name)

    def _somewhere(self):
        """An `after` from which a page has some of this user's own, if it has any."""
        return _users.ids[random.choice(self.own)] - 1 if self.own else 0


def _new_fullname():
    """A name that nobody else has, with characters that need care on their way to a page."""
    return f"Zoë & <Söhne> {secrets.token_hex(5)}"
