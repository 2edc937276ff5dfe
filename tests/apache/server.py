"""A real Apache for tests, with the shipped apache/site.conf unchanged, on 127.0.0.1.

    from tests.apache.server import apache

    with apache(processes=4, threads=4) as site:                # the application of this checkout
        httpx.get(site.url + "/view")

    with apache(app_root=folder, processes=4, threads=4, settings={"MODE": "recipe"}) as site:
        ...                                                     # an application of the test's own

`app_root` holds wsgi/app.wsgi and whatever that imports. It is copied to `site.root`, which the
daemons can read (pytest's tmp_path is closed to www-data), so change files there, not in app_root.
`settings` are environment variables, which the daemons see in os.environ. Without `app_root` the
application gets its own database with the sample users, demo mode, and an API token
(`site.token`). On leaving, the server is stopped.

site.url            http://127.0.0.1:PORT
site.root           the folder that is served: the checkout or the copy of app_root
site.data           a folder that the daemons can write, for databases; applications of the test's
                    own find it in os.environ["TEST_DATA"]
site.error_log()    everything in the error log
site.pids()         process ids of the daemons for reading requests
site.process        the Popen of Apache's parent
site.server         the scripts.lib.serving.apache.Server
"""

import contextlib
import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.command import CannotRun
from scripts.lib.serving.apache import (
    ROOT,
    SITE_CONF,
    Server,
    find_apache,
    start,
    wait_until_up,
)
from scripts.lib.serving.daemons import daemon_pids
from scripts.lib.serving.modwsgi import module_path
from scripts.lib.serving.own_site import (
    daemon_user,
    hermetic_environment,
    make_folder,
    own_folder,
)
from scripts.lib.serving.ports import free_port
from scripts.lib.serving.user import as_user

VENV = Path(sys.prefix)
TOKEN = "token-of-the-tests-under-apache"
DEBIAN_MODULE = ROOT / ".venv/debian/usr/lib/apache2/modules/mod_wsgi.so"


@dataclasses.dataclass
class Site:
    """A running Apache with an application; see the module's docstring."""

    server: Server
    process: subprocess.Popen
    root: Path
    data: Path
    token: str = TOKEN

    @property
    def url(self):
        """The site's address, without a slash at the end."""
        return self.server.url

    def error_log(self):
        """The text of the error log."""
        return self.server.log.read_text(errors="replace")

    def pids(self):
        """The process ids of the daemons for reading requests, as a set."""
        return daemon_pids(self.process.pid, self.server.name)


def with_script(root, text):
    """Write `text` into the folder `root` as its wsgi/app.wsgi; returns the folder."""
    (root / "wsgi").mkdir()
    (root / "wsgi" / "app.wsgi").write_text(text)
    return root


def pypi_module():
    """The path of mod_wsgi as scripts/install built it; skips the test where it is missing."""
    try:
        return module_path()
    except CannotRun as error:
        pytest.skip(str(error))


def debian_module():
    """The path of Debian's mod_wsgi, 4.9.4 in Debian 12; skips the test where it is missing."""
    if not DEBIAN_MODULE.exists():
        pytest.skip(f"{DEBIAN_MODULE} is missing: run scripts/install --test")
    return DEBIAN_MODULE


def run_as_daemon(command, **options):
    """subprocess.run as the daemons' user, failing on an error."""
    return subprocess.run(command, check=True, **options, **as_user(daemon_user()))


@contextlib.contextmanager
def folders():
    """A new folder for one server, with `data` in it that belongs to the daemons' user."""
    with own_folder("site-") as folder:
        (folder / "run").mkdir()
        make_folder(folder / "data", daemon_user())
        yield folder


def copy_application(app_root, target):
    """Copy the application at `app_root` to `target` and make it readable for everyone."""
    shutil.copytree(app_root, target, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "go+rX", target], check=True)


def site_settings(data):
    """The environment in which this checkout's application runs on a database in `data`."""
    return {
        "DATABASE_URI": f"sqlite://{data}/site.db",
        "SITE_DEMO": "1",
        "SITE_API_TOKEN": TOKEN,
    }


@contextlib.contextmanager
def apache(
    app_root=None,
    processes=2,
    threads=5,
    settings=None,
    module=None,
    extra="",
    defines=None,
    path="/",
    site_conf=SITE_CONF,
    port=None,
):
    """Serve an application by a real Apache; yields a Site. See the module's docstring.

    module: path of another mod_wsgi than the environment's. extra: Apache configuration put
    before site.conf. defines: further Defines of site.conf. path: a page to ask for until it is
    answered. site_conf: another file to include instead. port: where it listens, or anywhere.

    Skips the test where Apache or mod_wsgi is missing; raises CannotRun with the end of the
    error log if the server does not come up.
    """
    try:
        find_apache()
    except CannotRun as error:
        pytest.skip(str(error))
    module = module or pypi_module()
    with folders() as folder:
        data = folder / "data"
        environment = hermetic_environment(folder)
        if app_root is None:
            root = ROOT
            environment |= site_settings(data) | (settings or {})
            command = [sys.executable, "-m", "app.database"]
            run_as_daemon(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        else:
            root = folder / "root"
            copy_application(app_root, root)
            environment |= {"TEST_DATA": str(data)} | (settings or {})
        server = Server(
            directory=folder / "run",
            port=port or free_port(),
            module=module,
            defines={
                "WEBPY_ROOT": root,
                "WEBPY_VENV": VENV,
                "WEBPY_PROCESSES": processes,
                "WEBPY_THREADS": threads,
                **(defines or {}),
            },
            user=daemon_user(),
            extra=extra,
            site_conf=site_conf,
        )
        process = start(server, environment)
        try:
            wait_until_up(server, process, path)
            yield Site(server, process, root, data)
        finally:
            # Nobody waits for an answer any more, and Apache would take a second to drain.
            process.terminate()
            try:
                process.wait(server.drain_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
