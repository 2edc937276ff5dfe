"""Where mod_wsgi finds the application: the only file that Apache may run."""

import os
import sys
import traceback
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
# Where `current` of scripts/deploy names another release while this process runs, it goes on
# importing from its own.
sys.path[:] = map(os.path.realpath, sys.path)

try:
    from app.web import first_answer

    with first_answer.loading():
        from app import application
except BaseException:
    # mod_wsgi 6.1.1 on Python 3.11 logs the error without its traceback.
    traceback.print_exc()
    raise

first_answer.begin(application)
