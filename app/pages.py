"""The list of users, the recipe's plain text, a demonstration button, and how pages look."""

import random
import secrets

import web

from app.accounts import known_visitor, visitor
from app.listing import PAGE_LENGTH, Listing
from app.models import User, add_random_user
from app.settings import ROOT, settings
from app.web.answering import served_by
from app.web.csrf import check_form, form_token
from app.web.inputs import form
from app.web.problems import Problem
from app.web.redirects import see_other
from app.web.rendering import renderer
from app.web.sessions import flashes


def _where():
    """Who answers, as `served_by` says; None while the lab, which shows that, is off."""
    return served_by() if settings.lab else None


_TEMPLATES = ROOT / "app" / "templates"
_names = {"form_token": form_token, "where": _where}
page = renderer(_TEMPLATES, visitor=visitor, flashes=flashes, **_names)
# It is rendered when the transaction has ended, or could not begin.
_error_page = renderer(_TEMPLATES, visitor=known_visitor, flashes=list, **_names)


class Index:
    """The users, a page at a time; with the demonstration on, a button that adds one."""

    def GET(self):
        listing = Listing.asked()
        demo = secrets.token_hex(8) if settings.demo else None
        return page("index", listing, *listing.page(), demo)


class Add:
    """The demonstration's button: it adds a random user and leads to it.

    If the same form is sent again, as by a double click, it leads to the same user.
    """

    def POST(self):
        if not settings.demo:
            raise Problem(404, "The demonstration is off: the setting SITE_DEMO is not on.")
        fields = form()
        check_form(fields)
        user = add_random_user(random.Random(fields.get("form")))
        # On that page of the list the new user is the last one.
        after = max(0, user.id - PAGE_LENGTH)
        raise see_other("/" + (f"?after={after}" if after else "") + f"#user-{user.id}")


class View:
    """The recipe's plain-text list of all users."""

    def GET(self):
        web.header("Content-Type", "text/plain; charset=utf-8")
        return "".join(f"{user}\n" for user in User.select(orderBy=User.q.id))


def error_page(status, title, detail):
    """Return the page of an error answer: `status` is text, `title` the one that HTTP has."""
    return _error_page("error", status, title, detail)
