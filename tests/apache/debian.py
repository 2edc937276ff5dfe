"""A Debian-like Apache in its own folder, with another site, for scripts/deploy."""

import contextlib
import grp
import os
import pwd
import secrets
import subprocess
import sys
import time

import pytest

from scripts.lib.serving.apache import answers, find_apache, tail
from scripts.lib.serving.daemons import daemon_pids
from scripts.lib.serving.own_site import own_folder
from scripts.lib.serving.ports import free_port
from tests import told

MODULES = "/usr/lib/apache2/modules"
DEPENDS = {"ssl": "setenvif mime socache_shmcb"}
AVAILABLE = (
    "mpm_event", "authz_core", "alias", "mime", "headers", "reqtimeout", "setenvif", "ssl",
    "socache_shmcb", "http2", "md", "dir",
)  # fmt: skip
ENABLED = ("mpm_event", "authz_core", "dir", "alias")

CONFIGURATION = """\
DefaultRuntimeDir ${{APACHE_RUN_DIR}}
PidFile ${{APACHE_PID_FILE}}
User ${{APACHE_RUN_USER}}
Group ${{APACHE_RUN_USER}}
ServerRoot "{etc}"
ServerName localhost
ErrorLog ${{APACHE_LOG_DIR}}/error.log
IncludeOptional mods-enabled/*.load
IncludeOptional mods-enabled/*.conf
Include ports.conf
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all denied
</Directory>
IncludeOptional sites-enabled/*.conf
"""

OTHER = """\
<VirtualHost 127.0.0.1:{port}>
    ServerName {host}
    {lines}
    DocumentRoot "{folder}"
    <Directory "{folder}">
        Require all granted
    </Directory>
</VirtualHost>
"""


class Debian:
    """The Apache, a repository that is deployed into it, and methods to ask and check them."""

    def __init__(self, folder, module):
        self.folder = folder
        self.etc = folder / "apache2"
        self.home = folder / "site"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.user = f"deploy{secrets.token_hex(2)}"
        self.repository = told.make(folder / "checkout")
        self._write(module)
        self.commit = told.commit(self.repository)
        self.process = None

    def _write(self, module):
        for name in ("mods-available", "mods-enabled", "sites-available", "sites-enabled"):
            (self.etc / name).mkdir(parents=True)
        for name in ("run", "log", "other"):
            (self.folder / name).mkdir()
        (self.folder / "other" / "page.txt").write_text("the other site's")
        paths = {name: f"{MODULES}/mod_{name}.so" for name in AVAILABLE} | {"wsgi": module}
        for name, path in paths.items():
            depends = f"# Depends: {DEPENDS[name]}\n" if name in DEPENDS else ""
            load = self.etc / "mods-available" / f"{name}.load"
            load.write_text(f"{depends}LoadModule {name}_module {path}\n")
        (self.etc / "mods-available" / "mime.conf").write_text("TypesConfig /etc/mime.types\n")
        # Debian's mod_wsgi has its sockets in /var/run/apache2 by default.
        prefix = f'WSGISocketPrefix "{self.folder}/run/wsgi"\n'
        (self.etc / "mods-available" / "wsgi.conf").write_text(prefix)
        for name in ENABLED:
            link = self.etc / "mods-enabled" / f"{name}.load"
            link.symlink_to(f"../mods-available/{name}.load")
        (self.etc / "apache2.conf").write_text(CONFIGURATION.format(etc=self.etc))
        (self.etc / "ports.conf").write_text(f"Listen 127.0.0.1:{self.port}\n")
        (self.etc / "envvars").write_text(
            f"export APACHE_RUN_DIR={self.folder}/run APACHE_LOG_DIR={self.folder}/log\n"
            f"export APACHE_PID_FILE={self.pid_file} APACHE_RUN_USER=www-data LANG=C\n"
        )
        self.add_site("other.example.org")

    def add_site(self, host, lines=""):
        """Add another site that answers to `host`, with `lines`, and enable it."""
        name = f"{host}.conf"
        text = OTHER.format(port=self.port, folder=self.folder / "other", host=host, lines=lines)
        (self.etc / "sites-available" / name).write_text(text)
        (self.etc / "sites-enabled" / name).symlink_to(f"../sites-available/{name}")

    @property
    def pid_file(self):
        return self.folder / "run" / "apache2.pid"

    def start(self):
        """Start the Apache as Debian's unit does: with nothing of this environment."""
        script = f'. "{self.etc}/envvars"; exec "$@"'
        command = [find_apache(), "-f", self.etc / "apache2.conf", "-DFOREGROUND"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        guard = ["setpriv", "--pdeathsig", "TERM", "sh", "-c", script, "sh"]
        self.process = subprocess.Popen([*guard, *command], env=environment, cwd="/")
        deadline = time.monotonic() + 30
        while not answers(f"{self.url}/page.txt"):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def log(self):
        """The ends of the error logs."""
        return "\n".join(map(tail, sorted((self.folder / "log").glob("*error.log"))))

    def deploy(self, *options):
        """Run scripts/deploy of the repository; returns what subprocess.run does."""
        command = [sys.executable, "-P", "-m", "scripts.lib.deploy.deploy"]
        command += ["--apache-dir", self.etc, "--home", self.home, "--pid-file", self.pid_file]
        environment = os.environ | {"PYTHONPATH": str(self.repository)}
        return subprocess.run(
            [*command, *options], env=environment, capture_output=True, text=True, cwd="/"
        )

    def first(self, *options):
        """Deploy for the first time, with the settings of told's application."""
        self.home.mkdir(exist_ok=True)
        uri = f"sqlite://{self.home}/var/site.db"
        lines = ["SITE_APPLICATION=told:app", f"DATABASE_URI={uri}"]
        (self.home / "site.env").write_text("".join(f"{line}\n" for line in lines))
        defines = {"WEBPY_ADDRESS": f"127.0.0.1:{self.port}", "WEBPY_LOGS": self.folder / "log"}
        given = [
            word for pair in defines.items() for word in ("--define", "=".join(map(str, pair)))
        ]
        # Later deployments find the user out.
        return self.deploy("--host", "site.example.org", "--user", self.user, *given, *options)

    def change(self, release, first="pass"):
        """Commit another release; returns its commit."""
        told.write(self.repository, release, first)
        self.commit = told.commit(self.repository)
        return self.commit

    def pids(self):
        """The process ids of the site's daemons."""
        return daemon_pids(self.process.pid, "webpy-site")

    def state(self):
        """What is in Apache's configuration: each path with its text or its link."""
        return {
            str(path.relative_to(self.etc)): os.readlink(path)
            if path.is_symlink()
            else _text(path)
            for path in self.etc.rglob("*")
        }


def _text(path):
    return path.read_text() if path.is_file() else None


@contextlib.contextmanager
def debian(module):
    """Yield a Debian with its Apache running; what it has created is gone afterwards."""
    if os.getuid() != 0:
        pytest.skip("scripts/deploy needs root")
    with own_folder("debian-") as folder:
        made = Debian(folder, module)
        made.start()
        try:
            yield made
        finally:
            made.process.terminate()
            made.process.wait(30)
            with contextlib.suppress(KeyError):
                pwd.getpwnam(made.user)
                subprocess.run(["userdel", made.user], check=True)
            with contextlib.suppress(KeyError):
                grp.getgrnam(made.user)
                subprocess.run(["groupdel", made.user], check=True)
