"""What Apache would not notice before requests hang or fail: checked before it is started.

`apachectl configtest` accepts a wrong Python home and files that the daemons cannot read; the
first request then hangs, or every daemon dies.
"""

import os
import subprocess
from pathlib import Path

from scripts.lib.command import CannotRun


def _first_closed(path):
    """The first folder on the way to `path` that the running user cannot enter, or None."""
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK):
            return folder
    return None


def check_readable(paths, user):
    """Check that the running user, called `user` in messages, can read each of `paths`.

    Raises CannotRun that names the folder or file that is closed, and how to open it.
    """
    for path in paths:
        closed = _first_closed(path)
        if closed is not None:
            raise CannotRun(
                f"the user {user} cannot enter {closed}, so Apache cannot serve {path}:"
                f" run `chmod o+x {closed}`, or move the checkout to an open folder,"
                " such as /srv"
            )
        if not path.exists():
            raise CannotRun(f"{path} is missing: check it out again")
        if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            raise CannotRun(f"the user {user} cannot read {path}: run `chmod -R o+rX {path}`")


def check_python_home(home):
    """Check that the virtual environment `home` has a Python that starts and finds web.py.

    mod_wsgi with another python-home lets every request hang. Raises CannotRun.
    """
    python = Path(home, "bin", "python")
    command = [python, "-c", "import web, sqlobject, sys; print(sys.prefix)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except OSError as error:
        raise CannotRun(f"{python} cannot be run ({error}): run scripts/install") from None
    if done.returncode != 0:
        raise CannotRun(f"{python} lacks packages: run scripts/install\n{done.stderr}")
    prefix = done.stdout.strip()
    if Path(prefix).resolve() != Path(home).resolve():
        raise CannotRun(f"{home} is not a virtual environment, its Python says {prefix}")


def check_writable(folder, user):
    """Check that the running user can write `folder` and each file of a database in it.

    SQLite creates its log beside the database. Raises CannotRun with the cure.
    """
    for path in (folder, *sorted(folder.glob("*.db*"))):
        if not os.access(path, os.W_OK):
            raise CannotRun(
                f"the user {user} cannot write {path}: run `chown -R {user}: {folder}`"
            )
