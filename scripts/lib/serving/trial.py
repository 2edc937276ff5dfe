"""Tries whether changed code loads and answers, before a daemon that serves is ended for it.

A daemon whose code does not load stays up and answers 500 to each request.
"""

import os
import subprocess
import sys
from pathlib import Path

from scripts.lib.command import FAILED, ROOT, CannotRun
from scripts.lib.serving.apache import WITHHELD

# The status of a good trial. A script that ends by itself, even with 0, has not loaded.
LOADED = 113
RUN = f"""
import runpy, sys
found = runpy.run_path(sys.argv[1])
if "application" not in found:
    sys.exit("there is no `application` in " + sys.argv[1])
asked = found.get("first_answer")
sys.exit({LOADED} if asked is None or asked.ask(found["application"]) else 1)
"""
LONGEST = 120


def try_script(root, environment, **options):
    """Run wsgi/app.wsgi below the folder `root` as Apache does; returns whether it works.

    It must load and, if it is the bundle's, answer well. environment: the daemons' variables.
    options: subprocess's. Its traceback goes to stderr.
    """
    python = root / ".venv" / "bin" / "python"
    command = [python if python.exists() else sys.executable, "-P", "-c", RUN]
    environment = {name: text for name, text in environment.items() if name not in WITHHELD}
    try:
        done = subprocess.run(
            [*command, root / "wsgi" / "app.wsgi"],
            env=environment,
            cwd=root,
            timeout=LONGEST,
            **options,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == LOADED


def try_as_daemon(pid):
    """Try the code that the daemon `pid` would be replaced with, as its user in its environment.

    Raises CannotRun, with status 1, if the code does not load or does not answer, and
    PermissionError if this user may not look at the daemon.
    """
    process = Path("/proc", str(pid))
    pairs = process.joinpath("environ").read_bytes().split(b"\0")
    environment = dict(os.fsdecode(pair).partition("=")[::2] for pair in pairs if b"=" in pair)
    # Your application may have another working directory than the checkout.
    folder = Path(os.readlink(process / "cwd"))
    root = _next(folder) if (folder / "wsgi" / "app.wsgi").exists() else ROOT
    owner = process.stat()
    options = {}
    if os.getuid() == 0 and owner.st_uid != 0:
        options = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    if not try_script(root, environment, **options):
        raise CannotRun(
            "not reloaded: the code does not load or does not answer; the old code goes on",
            FAILED,
        )


def _next(folder):
    """The folder that a new daemon would have: with scripts/deploy, the current release."""
    current = folder.parent.parent / "current"
    return current.resolve() if folder.parent.name == "releases" and current.exists() else folder
