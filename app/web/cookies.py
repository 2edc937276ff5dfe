"""Cookies that hold a secret: 32 random bytes, for this site only and hidden from scripts."""

import re
import secrets

import web

# Where web.ctx has what this request has set.
_SET = "_secret_cookies"


def new_secret():
    """Return 32 random bytes as text of 43 letters, digits, - and _."""
    return secrets.token_urlsafe(32)


def secret_in(name):
    """Return the secret in the cookie `name`, as set in this request or as sent, or None."""
    value = web.ctx.get(_SET, {}).get(name)
    if value is None:
        value = _sent(_full(name))
    return value if re.fullmatch("[A-Za-z0-9_-]{43}", value) else None


def set_secret(name, value):
    """Have the browser store `value` in the cookie `name` until it is closed; "" removes it."""
    # A new dict, and not a change, so that it is gone when the request is run again.
    web.ctx[_SET] = {**web.ctx.get(_SET, {}), name: value}
    before = ("Set-Cookie", f"{_full(name)}=")
    web.ctx.headers = [
        (header, text)
        for header, text in web.ctx.headers
        if header != before[0] or not text.startswith(before[1])
    ]
    web.setcookie(
        _full(name),
        value,
        expires="" if value else -1,
        path="/",
        secure=web.ctx.protocol == "https",
        httponly=True,
        samesite="Lax",
    )


def _sent(name):
    """The value of the cookie `name` as a browser understands it; "" unless there is exactly one.

    web.cookies() also finds a cookie in another one's quoted value, and after characters that only
    it takes for blanks. So another host of the domain could set a cookie in spite of __Host-.
    """
    pairs = [pair.partition("=") for pair in web.ctx.env.get("HTTP_COOKIE", "").split(";")]
    values = [value.strip(" \t") for key, _, value in pairs if key.strip(" \t") == name]
    return values[0] if len(values) == 1 else ""


def _full(name):
    """The cookie's full name. It has the site's prefix, because one host may have two sites.

    A browser accepts a name that begins with __Host- only from this host, by HTTPS, for all paths.
    """
    start = "__Host-" if web.ctx.protocol == "https" else ""
    prefix = web.ctx.env.get("SCRIPT_NAME", "").strip("/")
    return start + "-".join([name, *re.findall("[A-Za-z0-9_.~]+", prefix)])
