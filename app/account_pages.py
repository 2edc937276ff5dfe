"""The pages of one's account: signing in and out, the password, where one is signed in."""

import re
from collections import namedtuple
from datetime import UTC, datetime

import web

from app.accounts import current_user, require_user
from app.models import fault_of_new_password
from app.pages import page
from app.sign_in import SignedOut, TooManyFailures, WrongPassword, change_password, sign_in
from app.transactions import in_transaction, no_transaction
from app.web import sessions
from app.web.csrf import check_form
from app.web.inputs import form, number, query_text
from app.web.problems import UNPROCESSABLE, Problem
from app.web.redirects import local, see_other

# A line of a request has at most 8190 bytes in Apache.
LONGEST_WAY = 8000
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome"}
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")


class SignIn:
    """The form for name and password, and its POST."""

    def GET(self):
        back = local(query_text("next", LONGEST_WAY))
        if current_user() is not None:
            raise see_other(back)
        return page("sign_in", "", back, None)

    @no_transaction
    def POST(self):
        fields = form()
        check_form(fields)
        name, back = fields.get("name", ""), local(fields.get("next"))
        try:
            sign_in(name, fields.get("password", ""))
        except WrongPassword:
            web.ctx.status = UNPROCESSABLE
            fault = "There is nobody with this name and password."
        except TooManyFailures as error:
            fault = _tell_to_wait(error)
        else:
            raise see_other(back)
        return in_transaction(lambda: page("sign_in", name, back, fault), writing=False)


class SignOut:
    """The button of each page: it ends the session, everywhere with the commit."""

    def POST(self):
        check_form(form())
        sessions.end()
        raise see_other("/")


class Account:
    """Who one is, and the form that changes the password."""

    def GET(self):
        return page("account", require_user(), {})


class Password:
    """The POST of that form: all other sessions end, and this one gets a new token."""

    @no_transaction
    def POST(self):
        fields = form()
        check_form(fields)
        new = fields.get("new", "")
        faults = {}
        if fault := fault_of_new_password(new):
            faults["new"] = fault
        elif new != fields.get("again"):
            faults["again"] = "is not the new password"
        try:
            if not faults:
                change_password(fields.get("current", ""), new)
                raise see_other("/account")
            web.ctx.status = UNPROCESSABLE
        except SignedOut:
            raise Problem(
                403,
                "You are signed out here. If you have sent this form twice, the password is "
                "changed: sign in with the new one.",
            ) from None
        except WrongPassword:
            web.ctx.status = UNPROCESSABLE
            faults["current"] = "is not your password"
        except TooManyFailures as error:
            faults["current"] = _tell_to_wait(error)
        return in_transaction(lambda: page("account", require_user(), faults), writing=False)


class Sessions:
    """Where one is signed in."""

    def GET(self):
        user = require_user()
        present = sessions.session().id
        found = sessions.WebSession.of_account(user.id)
        return page("sessions", [_shown(one, one.id == present) for one in found])


class EndSession:
    """The button of each session."""

    def POST(self, id):
        check_form(form())
        user = current_user()
        if user is None:
            # As after a double click whose first one has ended this session.
            raise see_other("/")
        ended = sessions.WebSession.selectBy(id=number(id) or 0, account=user.id).getOne(None)
        if ended is not None and ended.id == sessions.session().id:
            sessions.end()
            raise see_other("/")
        if ended is not None:
            ended.destroySelf()
            sessions.flash("The session is ended.")
        raise see_other("/account/sessions")


Shown = namedtuple("Shown", "id browser address begun begun_text seen seen_text present")


def _shown(session, present):
    """Return what the page shows of a session."""
    begun, seen = (datetime.fromtimestamp(at, UTC) for at in (session.begun, session.seen))
    return Shown(
        session.id,
        browser_of(session.browser),
        session.address,
        begun.isoformat(),
        f"{begun:%Y-%m-%d %H:%M} UTC",
        seen.isoformat(),
        f"{seen:%Y-%m-%d %H:%M} UTC",
        present,
    )


def browser_of(agent):
    """Return a name for the sender of the User-Agent `agent`, as people say it: Firefox, Linux."""
    products = re.findall(r"([A-Za-z]+)/[0-9]", agent)
    browser = next((name for product, name in BROWSERS.items() if product in products), None)
    if browser is None and "Version" in products and "Safari" in products:
        browser = "Safari"
    system = next((system for system in SYSTEMS if system in agent), None)
    return ", ".join(filter(None, [browser, system])) or agent[:40] or "unknown"


def _tell_to_wait(error):
    web.ctx.status = "429 Too Many Requests"
    web.header("Retry-After", str(error.seconds))
    minutes = -(-error.seconds // 60)
    when = "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"Too many attempts have failed. Try again in {when}."
