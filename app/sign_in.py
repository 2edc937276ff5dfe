"""Signing in and changing one's password, without holding a lock of the database while hashing.

To check or to hash a password takes tens of milliseconds. So a handler marked @no_transaction does
it between two transactions: the first one looks, the second one writes. The second one looks
again. Therefore attempts at the same time learn no more than attempts one after another.
"""

import ipaddress

import web

from app.accounts import current_user
from app.models import User, checked, is_password, newer_hash
from app.transactions import in_transaction
from app.web.cookies import new_secret, secret_in
from app.web.sessions import COOKIE, WebSession, flash, remember, session
from app.web.throttle import Failure

# With this number of failures within 15 minutes nothing more is tried.
MOST_BY_ACCOUNT = 5
MOST_BY_ADDRESS = 20


class TooManyFailures(Exception):
    """Nothing is tried for `seconds`."""

    def __init__(self, seconds):
        self.seconds = seconds
        super().__init__(seconds)


class WrongPassword(Exception):
    """The name or the password is wrong; the answer does not say which."""


class SignedOut(Exception):
    """The session has ended."""


def sign_in(name, password):
    """Begin a session for the user with this name and password; the answer sets its cookie.

    Raises WrongPassword, and TooManyFailures where others were wrong before. Called where no
    transaction is open.
    """
    limits = {account_key(name): MOST_BY_ACCOUNT, _address(): MOST_BY_ADDRESS}

    def look():
        user = User.named(name)
        return Failure.seconds_to_wait(limits), user and user.password

    wait, stored = in_transaction(look, writing=False)
    if wait:
        raise TooManyFailures(wait)
    right = is_password(password, stored)
    better = newer_hash(password, stored) if right else None
    token = secret_in(COOKIE)

    def settle():
        if wait := Failure.seconds_to_wait(limits):
            return wait, None
        user = User.named(name)
        if not _is_right(user, password, stored, right):
            Failure.note(limits)
            return 0, None
        Failure.forget(account_key(name))
        if better is not None and user.password == stored:
            user.replace_hash(better)
        return 0, WebSession.renew(token, user.id)

    _begin(*in_transaction(settle))


def change_password(current, new):
    """Give the signed-in user the password `new`; all sessions end, and this one gets a new token.

    Raises SignedOut, formencode.Invalid as `checked`, WrongPassword where `current` is wrong, and
    TooManyFailures. Called where no transaction is open. The next page says that the password is
    changed.
    """
    found = in_transaction(_id_and_hash, writing=False)
    if found is None:
        raise SignedOut
    id, stored = found
    # It does not count sign-ins: guesses of others must not hinder the owner from changing it.
    key = f"password of {id}"
    limits = {key: MOST_BY_ACCOUNT, _address(): MOST_BY_ADDRESS}
    wait = in_transaction(lambda: Failure.seconds_to_wait(limits), writing=False)
    if wait:
        raise TooManyFailures(wait)
    right = is_password(current, stored)
    hashed = checked({"password": new})["password"]

    def settle():
        user = current_user()
        if user is None:
            raise SignedOut
        if wait := Failure.seconds_to_wait(limits):
            return wait, None
        if not _is_right(user, current, stored, right):
            Failure.note(limits)
            return 0, None
        Failure.forget(key)
        flash("The password is changed.")
        values = session().values()
        # That ends all sessions, this one too, because its token may be the stolen one.
        user.password = hashed
        token = new_secret()
        WebSession.make(token, user.id, values)
        return 0, token

    _begin(*in_transaction(settle))


def _id_and_hash():
    user = current_user()
    return user and (user.id, user.password)


def _is_right(user, password, stored, right):
    """Whether the password is the user's now; `right`: whether it matched the hash `stored`."""
    if user is None:
        return False
    return right if user.password == stored else user.check_password(password)


def _begin(wait, token):
    if wait:
        raise TooManyFailures(wait)
    if token is None:
        raise WrongPassword
    remember(token)


def account_key(name):
    """Return the key under which failures for the user `name` are counted."""
    return f"account {name}"


def _address():
    """What counts as one address: in IPv6 the whole network, because one machine has all of it."""
    try:
        address = ipaddress.ip_address(web.ctx.ip)
    except ValueError:
        return f"address {web.ctx.ip}"
    address = getattr(address, "ipv4_mapped", None) or address
    if address.version == 6:
        address = ipaddress.ip_network((address, 64), strict=False)
    return f"address {address}"
