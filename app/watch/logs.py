"""Has Python's log records reach Apache's error log with their levels, if mod_wsgi can do that."""

import logging


def use_apache_levels():
    """Give the root logger mod_wsgi's handler, unless the application has given it one.

    mod_wsgi 4 has none: there each line is an error to Apache.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    try:
        from mod_wsgi import LogHandler
    except ImportError:
        return
    handler = LogHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    root.addHandler(handler)
