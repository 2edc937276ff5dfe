"""An Apache of the experiment's own that serves the lab on a new database."""

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from app.lab.modes import MODES
from scripts.lib.apache import ROOT, Server, drain, start, wait_until_up
from scripts.lib.modwsgi import module_path
from scripts.lib.ports import free_port
from scripts.lib.serve import DAEMON_USER


@contextlib.contextmanager
def served_lab(processes, threads):
    """Serve the lab on SQLite, each mode by `processes` x `threads`.

    Yields (address, API token, path of the error log). Raises ServerError and ModuleError.
    """
    user = DAEMON_USER if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        run, data = folder / "run", folder / "data"
        run.mkdir()
        data.mkdir(mode=0o750)
        if user:
            shutil.chown(data, user, user)
        token = secrets.token_hex(16)
        defines = {"WEBPY_ROOT": ROOT, "WEBPY_VENV": ROOT / ".venv", "WEBPY_LAB": 1}
        defines |= {"WEBPY_LAB_PROCESSES": processes, "WEBPY_LAB_THREADS": threads}
        defines |= {"WEBPY_PROCESSES": 1, "WEBPY_THREADS": 1}
        server = Server(run, free_port(), module_path(), defines, user)
        process = start(server, _environment(folder, data, token))
        try:
            for mode in MODES:
                wait_until_up(server, process, f"/lab/{mode}/keys?ids=1")
            yield server.url, token, server.log
        finally:
            drain(server, process)


def _environment(folder, data, token):
    """The daemons' environment: no settings but these."""
    settings_file = folder / "empty.env"
    settings_file.touch()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SITE_") and name != "DATABASE_URI"
    }
    return kept | {
        "SITE_SETTINGS": str(settings_file),
        "SITE_LAB": "on",
        "SITE_API_TOKEN": token,
        "DATABASE_URI": f"sqlite://{data}/lab.db",
    }
