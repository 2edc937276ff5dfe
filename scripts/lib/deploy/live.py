"""The Apache that serves a deployed site: asked, told to read its configuration, rolled."""

import os
import signal
import subprocess
import sys
import time

from scripts.lib.check.apache import run_apache
from scripts.lib.command import FAILED, CannotRun
from scripts.lib.deploy.release import environment
from scripts.lib.serving.daemons import loaded_pids, roll_site, site_groups
from scripts.lib.serving.trial import try_script
from scripts.lib.serving.user import as_user

SECONDS_TO_COME = 60


def parent(place):
    """The process id of the running Apache, or None."""
    try:
        pid = int(place.pid_file.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def check(place, folder):
    """Run scripts/check of the release in `folder` as if it were served. Raises CannotRun."""
    command = [folder / ".venv" / "bin" / "python", "-P", "-m", "scripts.lib.check.check"]
    command += ["--apache", place.apache / "apache2.conf", "--define", f"{place.define}={folder}"]
    variables = environment(place) | {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True)
    bad = [line for line in done.stdout.splitlines() if not line.startswith("ok")]
    print(*bad, done.stderr.strip(), sep="\n", file=sys.stderr)
    if done.returncode != 0:
        raise CannotRun("scripts/check finds what would be served wrongly", FAILED)


def check_configuration(place, folder=None):
    """Have Apache check its configuration files. Raises CannotRun if Apache refuses them.

    folder: that of the release to check them with, by default the current one.
    """
    defines = [(place.define, folder)] if folder else []
    run_apache(place.apache / "apache2.conf", "-t", defines=defines)


def try_release(place, folder):
    """Try the release in `folder` as a daemon would run it. Raises CannotRun."""
    if not try_script(folder, environment(place), **as_user(place.user)):
        raise CannotRun(
            "the release does not load or does not answer; the earlier one goes on", FAILED
        )


def read_anew(place):
    """Have Apache read its configuration, and wait until the site is as it says.

    A graceful restart: it cuts requests in flight of more than 3 s. Raises CannotRun.
    """
    check_configuration(place)
    pid = parent(place)
    if pid is None:
        print("Apache is not running: start it")
        return
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + SECONDS_TO_COME
    while not _is_as_configured(place, pid):
        if parent(place) is None or time.monotonic() > deadline:
            wanted = "come up" if place.link.exists() else "end"
            raise CannotRun(
                f"the site does not {wanted} within {SECONDS_TO_COME} s: see Apache's error log",
                FAILED,
            )
        time.sleep(0.1)


def _is_as_configured(place, pid):
    """Whether the site's daemons answer, or have ended if it is no longer configured."""
    found = site_groups(pid, place.name)
    if not place.link.exists():
        return not found
    return found and all(loaded_pids(pid, place.name, kind) for kind, _ in found)


def go_over(place, commit):
    """Serve the release of `commit`: the link first, then one daemon after the other.

    If one does not answer, it serves the earlier release again and raises CannotRun.
    """
    before = place.served()
    place.switch(commit)
    pid = parent(place)
    if pid is None:
        print("Apache is not running: start it")
        return
    try:
        count = roll_site(pid, place.name)
    except (CannotRun, OSError, KeyboardInterrupt) as error:
        place.switch(before)
        told = str(error) or "stopped"
        try:
            roll_site(pid, place.name)
        except (CannotRun, OSError, KeyboardInterrupt) as further:
            raise CannotRun(
                f"{told}\nand going back to the release {before} has failed, so that daemons of "
                f"both serve: {str(further) or 'stopped'}",
                FAILED,
            ) from None
        raise CannotRun(f"{told}\nthe release {before} is served again", FAILED) from None
    print(f"replaced {count} processes")
