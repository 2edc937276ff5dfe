"""mod_wsgi finds the application here: Apache may run no other file."""

import os
import sys
import traceback
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
# Then this process imports from its own release, even after `current` of scripts/deploy names
# another one.
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
