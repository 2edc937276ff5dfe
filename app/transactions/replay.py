"""A web.py request put back to its start, so that its handler can be run again."""

import tempfile
from contextlib import contextmanager

import web

from .uploads import Uploads
from .web_sessions import LOADED, Found

IN_MEMORY = 64 * 1024


class Replay:
    """The request as it is now: web.py's context, the WSGI environ and the request's body.

    Every HTTPError and every upload that is read changes web.py's context. So a second run of a
    handler would start with the status, headers and consumed body of the first.
    """

    # The transaction of the present run.
    transaction = None

    def __init__(self, context):
        """`context`: the __dict__ of web.ctx."""
        self._context = context.copy()
        self._headers = context["headers"].copy()
        self._app_stack = context["app_stack"].copy()
        environ = context["env"]
        self._body = None
        if _has_body(environ):
            environ["wsgi.input"] = self._body = ReplayableBody(environ["wsgi.input"])
        self._environ = environ.copy()
        self.sessions = Found(context) if LOADED in context else None
        form = context.get("_fieldstorage")
        self._uploads = Uploads(form) if form else None

    def may_be_committed(self):
        """Whether COMMIT may have been sent in the present run."""
        return self.transaction is not None and self.transaction.may_be_committed

    def restart(self):
        """Put the request back to what it was when this object was created."""
        context = web.ctx.__dict__
        context.clear()
        context.update(self._context)
        context["headers"] = list(self._headers)
        context["app_stack"] = list(self._app_stack)
        web.ctx.env.clear()
        web.ctx.env.update(self._environ)
        if self._body:
            self._body.rewind()
        if self._uploads:
            self._uploads.put_back()
        self.put_back_sessions()

    def put_back_sessions(self):
        """Put web.py's sessions back to what they were when this object was created."""
        if self.sessions:
            self.sessions.put_back()

    def unbind_sessions(self):
        """Unbind the instances in web.py's sessions from the request; raises as saving does."""
        if self.sessions:
            self.sessions.unbind()


@contextmanager
def own_context():
    """Let what is called after the end change a copy of web.ctx, not the settled answer."""
    context = web.ctx.__dict__
    before = context.copy()
    if "headers" in context:
        web.ctx.headers = list(web.ctx.headers)
    try:
        yield
    finally:
        context.clear()
        context.update(before)


def _has_body(environ):
    return environ.get("CONTENT_LENGTH") not in (None, "", "0") or bool(
        environ.get("HTTP_TRANSFER_ENCODING")
    )


class ReplayableBody:
    """A WSGI input stream (PEP 3333) that holds what was read, so that it can be read again.

    What was read is held in memory up to 64 KiB, then in a temporary file.
    """

    def __init__(self, stream):
        self._stream = stream
        self._held = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        self._rewound = False

    def __del__(self):
        self._held.close()

    def rewind(self):
        """Have `read` return what was read once more, and then the rest of the stream."""
        self._held.seek(0)
        self._rewound = True

    def read(self, size=-1):
        return self._take("read", -1 if size is None else size)

    def readline(self, size=-1):
        return self._take("readline", -1 if size is None else size)

    def readlines(self, hint=-1):
        return list(self)

    def __iter__(self):
        return iter(self.readline, b"")

    def _take(self, method, size):
        held = getattr(self._held, method)(size) if self._rewound else b""
        if len(held) == size or (method == "readline" and held.endswith(b"\n")):
            return held
        wanted = size - len(held) if size >= 0 else -1
        fresh = getattr(self._stream, method)(wanted) if wanted >= 0 else self._rest(method)
        self._held.write(fresh)
        return held + fresh

    def _rest(self, method):
        return getattr(self._stream, method)()
