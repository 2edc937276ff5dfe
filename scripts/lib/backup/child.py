"""What reads and writes the database for scripts/backup and scripts/restore: a child process."""

import os
import subprocess
import sys

from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.site_settings import settings_file
from scripts.lib.serving.user import as_user, owner_of_site


def run_as_site(work, user, **streams):
    """Run `python -m app.backup WORK` as the user that has the database, with the site's settings.

    user: its name where it is known, else None. streams: subprocess's stdin or stdout; so this
    user's files need not be open to that one. Raises CannotRun, after the child has said on stderr
    why it failed.
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
        # Of `load`: what it has put back may not be as the models say.
        said = f"nothing was {'written' if work == 'dump' else 'restored'}, see above"
        raise CannotRun(said, done.returncode)


def add_user(parser):
    """Add the option --user to the ArgumentParser of a script."""
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="who has the database, where root runs this (default: who has the folder var, or the "
        "settings file, or www-data)",
    )
