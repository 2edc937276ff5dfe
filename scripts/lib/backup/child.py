"""What reads and writes the database for scripts/backup and scripts/restore: a child process."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.user import owner_of_site


def run_as_site(work, user, **streams):
    """Run `python -m app.backup WORK` as the user that has the database, with the site's settings.

    user: its name where it is known, else None. streams: subprocess's stdin or stdout; so this
    user's files need not be open to that one. Raises CannotRun, after the child has said on stderr
    why it failed.
    """
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    files = [ROOT / "site.env", ROOT / "var" / "site.env"]
    if environment.get("SITE_SETTINGS"):
        files = [Path(environment["SITE_SETTINGS"])]
    settings = next((file for file in files if file.exists()), None)
    if settings:
        environment["SITE_SETTINGS"] = str(settings)
    command = [sys.executable, "-m", "app.backup", work]
    how = _as(user or owner_of_site(settings))
    done = subprocess.run(command, cwd=ROOT, env=environment, **how, **streams)
    if done.returncode != 0:
        error = CannotRun(f"nothing was {'written' if work == 'dump' else 'restored'}, see above")
        # Of `load`: what it has put back may not be as the models say.
        error.status = done.returncode
        raise error


def _as(user):
    """The arguments that have subprocess run a command as `user`, a name or None: this one."""
    if not user:
        return {}
    try:
        group = pwd.getpwnam(user).pw_gid
    except KeyError:
        raise CannotRun(f"there is no user {user}: name another with --user") from None
    return {"user": user, "group": group, "extra_groups": []}


def add_user(parser):
    """Add the option --user to the ArgumentParser of a script."""
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="who has the database, where root runs this (default: who has the folder var, or the "
        "settings file, or www-data)",
    )
