"""Redirects within the site, and the way back to a page."""

import re
from urllib.parse import quote

import web

# In characters, of a path that leads back. Apache takes a line of some 8000 characters at most,
# and each of these may become three in a URL.
LONGEST_LOCAL = 2000


def see_other(path):
    """Return the web.HTTPError 303 that leads to `path` of this site, which begins with a slash.

    It puts the prefix at which the site is mounted before the path.
    """
    headers = {"Location": _root() + path, "Content-Type": "text/plain; charset=utf-8"}
    return web.HTTPError("303 See Other", headers)


def way_back():
    """Return this request's path and query, for `see_other`."""
    path = quote(web.ctx.env.get("PATH_INFO", "").encode("latin-1"))
    query = web.ctx.env.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path


def local(path):
    """Return `path` if it is text that leads to a page of this site, else "/".

    For more than LONGEST_LOCAL characters it is "/" too.
    Browsers take a backslash for a slash, and a path that begins with two for another host.
    """
    if len(path or "") > LONGEST_LOCAL:
        return "/"
    return path if re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", path or "") else "/"


def _root():
    return quote(web.ctx.env.get("SCRIPT_NAME", "").encode("latin-1")).rstrip("/")
