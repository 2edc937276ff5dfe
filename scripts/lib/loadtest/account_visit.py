"""A visit to a user's account: every process knows a signed-in user, none a signed-out one."""

import html
import re

REFUSED = "right password refused"
NOT_KNOWN = "signed in, and not known"
STILL_KNOWN = "signed out, and still known"

_TOKEN = re.compile('<input type="hidden" name="token" value="([^"]+)">')


def visit(user, name, password):
    """Have `user`, a CheckedUser, sign in as the site's user `name` and out again.

    It ends at the first request that fails.
    """
    browser = user.new_session()
    page = user.exchange("GET", "/sign-in", "/sign-in", _has_token, client=browser)
    token = _TOKEN.search(page.text)
    if not token:
        return
    form = {"token": token[1]}
    filled_in = form | {"name": name, "password": password}
    if not _sent(user, browser, "/sign-in", filled_in, {422: REFUSED}):
        return
    cookies = browser.cookies.copy()
    user.exchange("GET", "/account", "/account", _knows(name), client=browser)
    if _sent(user, browser, "/sign-out", form, {}):
        # As somebody who has copied the cookies before.
        browser.cookies = cookies
        user.exchange("GET", "/account", "/account, signed out", _knows_nobody, client=browser)


def _sent(user, browser, path, form, wrong):
    """Send a form; returns whether that was answered by a redirect, as it must be.

    `wrong`: the statuses that are wrong answers, and what each one is called.
    """

    def judge(answer):
        return None if answer.status == 303 else wrong.get(answer.status, False)

    return user.exchange("POST", path, path, judge, client=browser, form=form).status == 303


def _has_token(answer):
    return None if answer.status == 200 and _TOKEN.search(answer.text) else False


def _knows(name):
    def judge(answer):
        if answer.status == 303:
            return NOT_KNOWN
        if answer.status != 200:
            return False
        return None if f"<h1>{html.escape(name)}</h1>" in answer.text else NOT_KNOWN

    return judge


def _knows_nobody(answer):
    if answer.status == 200:
        return STILL_KNOWN
    return None if answer.status == 303 else False
