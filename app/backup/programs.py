"""The database servers' own programs: found, given their password by a file, and run."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.backup.errors import BackupError


def find(name, package):
    """Return the path of the program `name`; BackupError that names its Debian `package`."""
    found = shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is not installed: as root run apt-get install {package}")
    return found


@contextlib.contextmanager
def secret_file(text):
    """Yield the path of a file with `text` that only this user reads; it is gone afterwards.

    A command line can be read by everybody.
    """
    with tempfile.TemporaryDirectory(prefix="secret-") as folder:
        path = Path(folder, "secret")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        yield path


def run(command, environment=None, **streams):
    """Run `command`; its stdout as text where it is captured. BackupError with its message.

    `environment`: variables beside this process's. `streams`: subprocess's stdin and stdout.
    """
    done = subprocess.run(
        command,
        env=os.environ | (environment or {}),
        stderr=subprocess.PIPE,
        **{"stdin": subprocess.DEVNULL, **streams},
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise BackupError(f"{Path(command[0]).name} failed: {said}")
    return (done.stdout or b"").decode()
