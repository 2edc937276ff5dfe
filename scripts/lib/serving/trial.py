"""Whether changed code loads, tried before a daemon that serves is ended for it.

A daemon whose code does not load stays up and answers 500 to each request.
"""

import os
import subprocess
import sys
from pathlib import Path

from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.apache import WITHHELD

# A script that ends by itself has not loaded, whatever its status.
LOADED = 113
RUN = f"""
import runpy, sys
found = runpy.run_path(sys.argv[1])
sys.exit({LOADED} if "application" in found else "there is no `application` in " + sys.argv[1])
"""
LONGEST = 120
DOES_NOT_LOAD = 1


def try_script(root, environment, **options):
    """Run wsgi/app.wsgi below the folder `root` as Apache does; returns whether it loads.

    environment: the daemons' variables. options: subprocess's. Its traceback goes to stderr.
    """
    command = [sys.executable, "-P", "-c", RUN, root / "wsgi" / "app.wsgi"]
    environment = {name: text for name, text in environment.items() if name not in WITHHELD}
    try:
        done = subprocess.run(command, env=environment, cwd=root, timeout=LONGEST, **options)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == LOADED


def try_as_daemon(pid):
    """Try the code that the daemon `pid` would be replaced with, as its user in its environment.

    Raises CannotRun, with status 1, where it does not load, and PermissionError where this user
    may not look at the daemon.
    """
    process = Path("/proc", str(pid))
    pairs = process.joinpath("environ").read_bytes().split(b"\0")
    environment = dict(os.fsdecode(pair).partition("=")[::2] for pair in pairs if b"=" in pair)
    # An application of one's own may have another working directory than the checkout.
    folder = Path(os.readlink(process / "cwd"))
    root = folder if (folder / "wsgi" / "app.wsgi").exists() else ROOT
    owner = process.stat()
    options = {}
    if os.getuid() == 0 and owner.st_uid != 0:
        options = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    if not try_script(root, environment, **options):
        error = CannotRun("not reloaded: the code does not load, and the old code goes on serving")
        error.status = DOES_NOT_LOAD
        raise error
