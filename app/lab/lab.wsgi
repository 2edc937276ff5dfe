"""What the lab's process groups run: one mode each, by the end of the group's name."""

import sys
import traceback
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

try:
    import mod_wsgi

    from app import load_sqlo
    from app.lab import handlers  # noqa: F401
    from app.lab.modes import application as lab_application
    from app.settings import settings
    from app.web.application import Site

    if settings.lab:
        mode = mod_wsgi.process_group.rpartition("-")[2]
        site = lab_application(mode, settings.database_uri, load_sqlo)
    else:
        site = Site((".*", "app.lab.handlers.Off"))
except BaseException:
    # mod_wsgi 6.1.1 on Python 3.11 logs the error without its traceback.
    traceback.print_exc()
    raise

handle = site.wsgifunc()


def application(environ, start_response):
    """The lab's addresses are those of the whole site, so that all of one is taken as its path.

    Takes and returns what PEP 3333 says.
    """
    environ["PATH_INFO"] = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    environ["SCRIPT_NAME"] = ""
    return handle(environ, start_response)
