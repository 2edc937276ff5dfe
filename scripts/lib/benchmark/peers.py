"""The peers of a benchmark: what people would use instead, each in its own environment.

"raw" is a WSGI function on the bare driver, which is as fast as Python under mod_wsgi can be; it
runs in the checkout's environment. The applications are in the folder peer_site, with their
requirements beside them. scripts/install does not install these: this module does, when asked.
"""

import contextlib
import fcntl
import subprocess
import sys
import tomllib
from pathlib import Path

from scripts.lib.command import ROOT, CannotRun

PEERS = ("raw", "flask", "django")
PEERS_FOLDER = Path(__file__).parent / "peer_site"
ENVIRONMENTS = ROOT / ".venv" / "peers"


def peer_environments(modes, database):
    """Return {mode: folder of its environment} for those of `modes` that have one.

    It creates an environment that does not exist, or that lacks the present requirements or the
    driver of `database`; that needs a package index. Raises CannotRun if it cannot create one.
    """
    names = [mode for mode in modes if _requirements_file(mode).exists()]
    return {name: _environment(name, _requirements(name, database), database) for name in names}


def versions(modes):
    """Return {package: version} of the requirements of the peers among `modes`."""
    files = [file for mode in modes if (file := _requirements_file(mode)).exists()]
    return dict(line.split("==") for file in files for line in file.read_text().split())


def _requirements_file(name):
    return PEERS_FOLDER / f"{name}.txt"


def _requirements(name, database):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    drivers = extras["optional-dependencies"].get(database, [])
    return [*_requirements_file(name).read_text().split(), *drivers]


def _environment(name, requirements, database):
    folder = ENVIRONMENTS / name
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / f".stamp-{database}"
    # Two at once would build in the same folder.
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if stamp.read_text().split() == requirements:
                return folder
        print(f"creating an environment with {' '.join(requirements)}", file=sys.stderr)
        _call(name, sys.executable, "-m", "venv", folder)
        pip = folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"
        _call(name, *pip, "install", *requirements)
        stamp.write_text("\n".join(requirements))
    return folder


def _call(name, *command):
    # The daemons must be able to read it.
    done = subprocess.run(command, capture_output=True, text=True, umask=0o022)
    if done.returncode:
        raise CannotRun(
            f"the environment of {name} cannot be created: {done.stderr.strip() or done.stdout}\n"
            f"See that pip reaches a package index, or leave {name} out"
        )
