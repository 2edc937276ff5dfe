"""What balancers and containers ask: whether a process of the site answers."""

import web


class Health:
    """Whether this process answers; it asks no database."""

    def GET(self):
        return healthy()


def healthy():
    """Return the text of a good answer to a health check and set its content type."""
    web.header("Content-Type", "text/plain; charset=utf-8")
    return "ok\n"
