"""Where mod_wsgi finds the application: the only file that Apache may run."""

import sys
import traceback
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

try:
    # The handlers too, which web.py would import at the first request only: an error in one shall
    # show at the start.
    from app import api, app, pages  # noqa: F401
except BaseException:
    # mod_wsgi 6.1.1 on Python 3.11 logs the error without its traceback.
    traceback.print_exc()
    raise

application = app.wsgifunc()
