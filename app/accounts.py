"""Who is signed in, and what they may do: anybody reads, and editors write."""

from collections import namedtuple
from urllib.parse import urlencode

import web
from sqlobject import SQLObjectNotFound

from app.models import User
from app.web import sessions
from app.web.cookies import secret_in
from app.web.problems import Problem
from app.web.redirects import local, see_other, way_back

# What pages show of the user who is signed in. `known` is false where the database was not asked.
Visitor = namedtuple("Visitor", ["name", "editor", "known"])
UNKNOWN = Visitor("", False, False)

# Where web.ctx has the Visitor, or None for nobody.
_VISITOR = "_visitor"


def current_user():
    """Return the User who is signed in, as of the request's transaction, or None."""
    session = sessions.session()
    user = _find(session.account) if session is not None and session.account else None
    web.ctx[_VISITOR] = user and Visitor(user.name, user.role == "editor", True)
    return user


def _find(id):
    try:
        return User.get(id)
    except SQLObjectNotFound:
        return None


def require_user():
    """Return the User who is signed in.

    Where nobody is signed in, it raises a redirect to the sign-in, which leads back here. If the
    request is no GET it raises Problem 403, because the form would be lost on the way.
    """
    user = current_user()
    if user is not None:
        return user
    if web.ctx.method in ("GET", "HEAD"):
        raise see_other(sign_in_path(local(way_back())))
    raise Problem(
        403,
        "You are signed out. Nothing was changed. Sign in in another tab or window, then go back "
        "here and send the form again.",
    )


def require_editor():
    """Return the User who is signed in and may write.

    Raises as `require_user`, and Problem 403 where it is a reader.
    """
    user = require_user()
    if user.role != "editor":
        raise Problem(403, "Only editors may do this, and you are not one. Ask an editor.")
    return user


def visitor():
    """Return the Visitor of a page, in the request's transaction; None for nobody."""
    current_user()
    return web.ctx[_VISITOR]


def known_visitor():
    """Return the Visitor as far as it is known, without asking the database.

    An error page is rendered after the transaction, and also where the database is away.
    """
    if _VISITOR in web.ctx:
        return web.ctx[_VISITOR]
    return UNKNOWN if secret_in(sessions.COOKIE) else None


def sign_in_path(back):
    """Return the path of the sign-in that afterwards leads to `back`."""
    return "/sign-in" + ("" if back == "/" else "?" + urlencode({"next": back}))
