"""web.py's application with our error answers and an exact Allow header."""

import re
from importlib import import_module
from inspect import isclass

import web

from app.web.problems import Problem, plain_page, present

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Application(web.application):
    """A web.application whose error answers `present` writes; its answers are never stored.

    A method that a handler class does not define, in any spelling, is answered 405 with the
    methods that it does.
    """

    def __init__(self, mapping, fvars=None, *, for_programs=None, error_page=None):
        """`mapping` and `fvars`: web.py's; a handler may be named as "package.module.Class".

        `for_programs`: a regular expression of the paths whose errors are problem details, none by
        default. `error_page(status, title, detail)` returns the page of the others and sets its
        content type, a plain one by default; it may be named in the same way.
        """
        # web.py would turn its own reloader on outside of mod_wsgi.
        super().__init__(mapping, fvars or {}, autoreload=False)
        self._for_programs = re.compile(for_programs or "(?!)")
        self._error_page = error_page or plain_page

    def wsgifunc(self, *middleware):
        # A wrong name must fail at the start, not with the first error.
        self._error_page = _named(self._error_page)
        return super().wsgifunc(*middleware)

    def load(self, env):
        super().load(env)
        # A stored answer would not show what another process has changed since.
        web.header("Cache-Control", "no-store")
        # The Idempotency-Keys that its handler has heeded (idempotency.py), in whichever run.
        web.ctx.heeded_keys = []
        if web.ctx.method not in METHODS:
            # web.py itself would answer a method in lower case. No handler defines this one.
            web.ctx.method = ""

    def handle_with_processors(self):
        try:
            body = super().handle_with_processors()
        except web.HTTPError as error:
            _take_back_cookies()
            present(error, None if self._for_programs.match(web.ctx.path) else self._error_page)
            error.data = _measured(error.data)
            raise
        _take_back_cookies()
        return _measured(body)

    def internalerror(self):
        # Not web.py's debug page, which shows the source to the client.
        return web.internalerror("internal server error")

    def _delegate(self, f, fvars, args=()):
        if isinstance(f, str) and not f.startswith("redirect "):
            f = fvars[f] if f in fvars else _named(f)
        if isclass(f):
            methods = allowed(f)
            if web.ctx.method not in methods:
                told = ", ".join(methods)
                raise Problem(405, f"This address answers {told} only.", {"Allow": told})
            if web.ctx.method == "OPTIONS" and not hasattr(f, "OPTIONS"):
                web.header("Allow", ", ".join(methods))
                web.ctx.status = "204 No Content"
                return ""
        return super()._delegate(f, fvars, args)


def _named(value):
    """Return the object that `value` names, as "package.module.name", or `value` if it is no
    text."""
    if not isinstance(value, str):
        return value
    module, _, name = value.rpartition(".")
    return getattr(import_module(module), name)


def _take_back_cookies():
    """Remove the cookies of an answer of 500 or more: their sessions were rolled back."""
    if web.ctx.status >= "5":
        web.ctx.headers = [pair for pair in web.ctx.headers if pair[0] != "Set-Cookie"]


def _measured(body):
    """Return a body and declare its length, so that a client notices a body that was cut off.

    A generator's length is unknown, and some answers can have none (RFC 9110, 8.6).
    """
    if hasattr(body, "__next__") or web.ctx.status[:3] in ("204", "304"):
        return body
    body = body if isinstance(body, bytes) else str(body).encode()
    web.ctx.headers = [pair for pair in web.ctx.headers if pair[0].lower() != "content-length"]
    web.header("Content-Length", str(len(body)))
    return body


def allowed(handler):
    """Return the methods that a handler class answers.

    web.py answers HEAD with the class's GET, and the Application answers OPTIONS.
    """
    there = {method for method in METHODS if hasattr(handler, method)} | {"OPTIONS"}
    if "GET" in there:
        there.add("HEAD")
    return [method for method in METHODS if method in there]
