"""Proof that a form was filled in on our own page: a signed token bound to a cookie."""

import hashlib
import hmac
import re
import secrets

import web
from itsdangerous import BadSignature, TimestampSigner

from app.settings import settings
from app.web.problems import Problem

COOKIE = "form"
FIELD = "token"
LONGEST_AGE = 12 * 3600


def form_token():
    """Return a token for a form's hidden field `FIELD`; sets the cookie if there is none."""
    bound_to = _cookie()
    if bound_to is None:
        bound_to = secrets.token_urlsafe(32)
        secure = web.ctx.protocol == "https"
        web.setcookie(COOKIE, bound_to, httponly=True, samesite="Strict", secure=secure)
    return _signer().sign(bound_to).decode()


def check_form(fields):
    """Raise Problem 403 unless `fields` has this browser's token, at most 12 hours old."""
    try:
        signed = _signer().unsign(fields.get(FIELD, ""), max_age=LONGEST_AGE)
    except BadSignature:
        signed = b""
    if not hmac.compare_digest(signed, (_cookie() or "-").encode()):
        raise Problem(
            403,
            "The form has expired, or cookies are off in this browser. "
            "Go back, reload the page and send the form again.",
        )


def _cookie():
    value = web.cookies().get(COOKIE, "")
    return value if re.fullmatch("[A-Za-z0-9_-]{43}", value) else None


def _signer():
    return TimestampSigner(
        settings.secret_key,
        salt="app.web.csrf",
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )
