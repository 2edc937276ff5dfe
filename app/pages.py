"""The pages for people: the list of users, the recipe's plain text, a demonstration button."""

import web

from app.accounts import known_visitor, visitor
from app.models import User, add_random_user
from app.settings import ROOT, settings
from app.web.csrf import check_form, form_token
from app.web.inputs import form, query_number
from app.web.problems import Problem
from app.web.rendering import renderer
from app.web.sessions import flashes

PAGE_LENGTH = 100

TEMPLATES = ROOT / "app" / "templates"
page = renderer(TEMPLATES, visitor=visitor, flashes=flashes, form_token=form_token)
# Made when the transaction has ended, or could not begin.
_error_page = renderer(TEMPLATES, visitor=known_visitor, flashes=list, form_token=form_token)


class Index:
    """The users, 100 on a page; with the demonstration on, a button that adds one."""

    def GET(self):
        after = query_number("after", 0, 0)
        users, following = User.page(after, PAGE_LENGTH)
        token = form_token() if settings.demo else None
        return page("index", users, after, following, token)


class Add:
    """What the demonstration's button does: adds a random user and leads to it."""

    def POST(self):
        if not settings.demo:
            raise Problem(404, "The demonstration is off: the setting SITE_DEMO is not on.")
        check_form(form())
        user = add_random_user()
        # The page of the list on which the new user is the last one.
        after = max(0, user.id - PAGE_LENGTH)
        where = f"{web.ctx.homepath}/" + (f"?after={after}" if after else "")
        headers = {"Location": f"{where}#user-{user.id}", "Content-Type": "text/plain"}
        raise web.HTTPError("303 See Other", headers)


class View:
    """The recipe's plain-text list of all users."""

    def GET(self):
        web.header("Content-Type", "text/plain; charset=utf-8")
        return "".join(f"{user}\n" for user in User.select(orderBy=User.q.id))


def error_page(status, title, detail):
    """Return the page of an error answer: `status` is text, `title` the one that HTTP has."""
    return _error_page("error", status, title, detail)
