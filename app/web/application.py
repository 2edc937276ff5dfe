"""web.py's application with error answers of our own and an exact Allow header."""

from importlib import import_module
from inspect import isclass

import web

from app.web.problems import Problem, present

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Site(web.application):
    """A web.application whose error answers `present` writes; its answers are never stored.

    The mapping names its handlers as "package.module.Class"; a method that a handler class does
    not define, whatever its spelling, is answered 405 with those that it does.
    """

    def __init__(self, mapping):
        # web.py would turn its own reloader on outside of mod_wsgi.
        super().__init__(mapping, {}, autoreload=False)

    def load(self, env):
        super().load(env)
        # A stored answer could show what another process has changed since.
        web.header("Cache-Control", "no-store")
        if web.ctx.method not in METHODS:
            # web.py answers a method in lower case before any handler or processor sees it; no
            # handler defines this one.
            web.ctx.method = ""

    def handle_with_processors(self):
        try:
            return _measured(super().handle_with_processors())
        except web.HTTPError as error:
            present(error)
            error.data = _measured(error.data)
            raise

    def internalerror(self):
        # Not web.py's debug page, which shows the source to the client.
        return web.internalerror("internal server error")

    def _delegate(self, f, fvars, args=()):
        if isinstance(f, str) and not f.startswith("redirect "):
            module, _, name = f.rpartition(".")
            f = getattr(import_module(module), name)
        if isclass(f) and web.ctx.method not in allowed(f):
            methods = ", ".join(allowed(f))
            raise Problem(405, f"This address answers {methods} only.", {"Allow": methods})
        return super()._delegate(f, fvars, args)


def _measured(body):
    """Return a body with its length declared, by which a client notices that it was cut off.

    Not that of a generator, which is unknown, nor where there can be none (RFC 9110, 8.6).
    """
    if hasattr(body, "__next__") or web.ctx.status[:3] in ("204", "304"):
        return body
    body = body if isinstance(body, bytes) else str(body).encode()
    web.ctx.headers = [pair for pair in web.ctx.headers if pair[0].lower() != "content-length"]
    web.header("Content-Length", str(len(body)))
    return body


def allowed(handler):
    """Return the methods that a handler class answers; web.py answers HEAD with its GET."""
    answered = [method for method in METHODS if hasattr(handler, method)]
    if "GET" in answered and "HEAD" not in answered:
        answered.insert(1, "HEAD")
    return answered
