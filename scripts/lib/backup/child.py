"""The child process that reads and writes the database for scripts/backup and scripts/restore."""

import os
import subprocess
import sys

from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.site_settings import settings_file
from scripts.lib.serving.user import as_user, owner_of_site


def run_as_site(work, user, **streams):
    """Run `python -m app.backup WORK` as the database's owner, with the site's settings.

    user: the owner's name, or None to find it out. streams: subprocess's stdin or stdout: by them
    that user needs no access to this user's files. Raises CannotRun, after the child has said on
    stderr why it failed.
    """
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    settings = settings_file(environment)
    if settings:
        environment["SITE_SETTINGS"] = str(settings)
    command = [sys.executable, "-m", "app.backup", work]
    user = user or owner_of_site(settings)
    try:
        how = as_user(user)
    except KeyError:
        raise CannotRun(f"there is no user {user}: name another with --user") from None
    done = subprocess.run(command, cwd=ROOT, env=environment, **how, **streams)
    if done.returncode != 0:
        # The status is the child's: after a restore the models may not fit what was put back.
        said = f"nothing was {'written' if work == 'dump' else 'restored'}, see above"
        raise CannotRun(said, done.returncode)


def add_user(parser):
    """Add the option --user to the ArgumentParser of a script."""
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="the database's owner, if root runs this (default: the owner of the folder var, or "
        "of the settings file, or www-data)",
    )
