"""Where mod_wsgi finds the application: the only file that Apache may run."""

import sys
import traceback
from importlib import import_module
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

try:
    from app import app

    # web.py would import the handlers that `urls` names at the first request only: an error in
    # one shall show at the start.
    for _, handler in app.mapping:
        if isinstance(handler, str) and "." in handler and not handler.startswith("redirect "):
            import_module(handler.rpartition(".")[0])
except BaseException:
    # mod_wsgi 6.1.1 on Python 3.11 logs the error without its traceback.
    traceback.print_exc()
    raise

application = app.wsgifunc()
