"""The lab's process groups run this: one mode each, which the end of the group's name tells."""

import sys
import traceback
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

try:
    import mod_wsgi

    from app.lab import handlers
    from app.lab.modes import application as lab_application
    from app.settings import settings
    from app.web.application import Application

    mode = mod_wsgi.process_group.rpartition("-")[2]
    if not settings.lab:
        site = Application((".*", handlers.Off), for_programs="/")
    elif mode == "bundle":
        # Creating it changes SQLObject, and the other modes need SQLObject as it comes.
        from app import load_sqlo

        site = lab_application(mode, settings.database_uri, load_sqlo)
    else:
        site = lab_application(mode, settings.database_uri)
except BaseException:
    # mod_wsgi 6.1.1 on Python 3.11 logs the error without its traceback.
    traceback.print_exc()
    raise

handle = site.wsgifunc()


def application(environ, start_response):
    """Answer with the lab; give it the whole path, of which Apache's alias has taken a part.

    Takes and returns what PEP 3333 says.
    """
    prefix, slash, mode = environ["SCRIPT_NAME"].rpartition("/lab/")
    environ["PATH_INFO"] = slash + mode + environ["PATH_INFO"]
    environ["SCRIPT_NAME"] = prefix
    return handle(environ, start_response)
