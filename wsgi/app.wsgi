"""Where mod_wsgi finds the application: the only file that Apache may run."""

import sys
import traceback
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

try:
    from app import application  # noqa: F401
except BaseException:
    # mod_wsgi 6.1.1 on Python 3.11 logs the error without its traceback.
    traceback.print_exc()
    raise
