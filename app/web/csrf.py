"""Proof that a form was filled in on our own page: its token is the secret in a cookie.

By HTTPS another site can neither read the cookie nor set it. By HTTP another host of the domain
can set it; but a browser also says where a form comes from. Each browser has one token, which
stays when somebody signs in. So a form that was open meanwhile can still be sent.
"""

import hmac

import web

from app.web.cookies import new_secret, secret_in, set_secret
from app.web.problems import Problem

COOKIE = "form"
FIELD = "token"


def form_token():
    """Return the token for a form's hidden field `FIELD`; sets the cookie if there is none."""
    token = secret_in(COOKIE)
    if token is None:
        token = new_secret()
        set_secret(COOKIE, token)
    return token


def check_form(fields):
    """Raise Problem 403 unless `fields` has this browser's token and comes from this site."""
    if not _is_from_here():
        raise Problem(403, "This form was sent from another site. Nothing was changed.")
    token = secret_in(COOKIE)
    if token is None or not hmac.compare_digest(fields.get(FIELD, "").encode(), token.encode()):
        raise Problem(
            403,
            "The form has expired, or cookies are off in this browser. "
            "Go back, reload the page and send the form again.",
        )


def _is_from_here():
    """Whether the browser says that a page of this site has sent the request, or says nothing.

    Browsers send Sec-Fetch-Site by HTTPS (and to localhost), and Origin with each form.
    """
    site = web.ctx.env.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return site in ("same-origin", "none")
    origin = web.ctx.env.get("HTTP_ORIGIN")
    return origin is None or origin.partition("://")[2] == web.ctx.host
