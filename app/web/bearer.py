"""Proof that a program may write: the bearer token of the settings (RFC 6750)."""

import hmac

import web

from app.settings import settings
from app.web.problems import Problem


def authorize():
    """Return the bearer token of the request; raises Problem 401 where it is missing or wrong.

    Raises Problem 403 where the settings have none.
    """
    if settings.api_token is None:
        raise Problem(403, "Writing is off here: the setting SITE_API_TOKEN is not set.")
    scheme, _, token = web.ctx.env.get("HTTP_AUTHORIZATION", "").partition(" ")
    # PEP 3333: header values are latin-1.
    given = token.strip().encode("latin-1")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given, settings.api_token.encode()):
        raise Problem(
            401,
            "Writing needs the header Authorization: Bearer with the site's token.",
            {"WWW-Authenticate": 'Bearer realm="api"'},
        )
    return settings.api_token
