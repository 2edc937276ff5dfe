"""An Apache around apache/site.conf, which a script runs: configuration, start, wait and stop."""

import math
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from scripts.lib.command import CannotRun

ROOT = Path(__file__).resolve().parents[3]
SITE_CONF = ROOT / "apache" / "site.conf"
# The defaults of apache/site.conf.
REQUEST_TIMEOUT = 60
THREADS = 5

# A path of a Unix socket holds 108 bytes; mod_wsgi appends up to some thirty to the prefix.
SOCKET_PREFIX_LIMIT = 75

# The caller's variables that would change which Python the daemons run, or how.
WITHHELD = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT", "VIRTUAL_ENV")

CONFIGURATION = """\
ServerRoot /usr/lib/apache2
ServerName localhost
Listen {address}
PidFile "{directory}/apache.pid"
DefaultRuntimeDir "{directory}"
{user}
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule mime_module modules/mod_mime.so
LoadModule alias_module modules/mod_alias.so
LoadModule headers_module modules/mod_headers.so
LoadModule reqtimeout_module modules/mod_reqtimeout.so
LoadModule wsgi_module "{module}"
TypesConfig /etc/mime.types
ErrorLog "{directory}/{name}-error.log"
LogLevel warn
ServerTokens Prod
GracefulShutdownTimeout {drain_seconds}
WSGISocketPrefix "{directory}/wsgi"
WSGIRestrictEmbedded On
<Directory />
    AllowOverride None
    Require all denied
</Directory>
{defines}
{extra}
Include "{site_conf}"
"""


@dataclass(frozen=True)
class Server:
    """An Apache on 127.0.0.1: what it serves and where it keeps its files.

    directory: folder for its configuration, logs, pid file and sockets, which exists and belongs
    to the user that starts Apache. module: path of the mod_wsgi module. defines: values for the
    Defines of apache/site.conf, WEBPY_ROOT among them. user: whom the children become, given only
    when root starts Apache. extra: further configuration, put before site.conf. site_conf: the
    virtual host's file.
    """

    directory: Path
    port: int
    module: Path
    defines: dict = field(default_factory=dict)
    user: str | None = None
    extra: str = ""
    site_conf: Path = SITE_CONF
    drain_seconds: int = 95

    @property
    def url(self):
        """The address of the site, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def name(self):
        """The site's name among the daemons."""
        return self.defines.get("WEBPY_NAME", "webpy-site")

    @property
    def log(self):
        """The error log's path."""
        return self.directory / f"{self.name}-error.log"


def interrupt_after(seconds, threads):
    """The WEBPY_INTERRUPT_AFTER by which mod_wsgi 6 interrupts a request after `seconds`.

    It does so at its option request-timeout x (1 + ln(threads)), and takes whole seconds only.
    """
    return int(int(seconds) / (1 + math.log(int(threads))))


def find_apache():
    """The path of Apache's executable. Raises CannotRun if it is not installed."""
    places = os.environ.get("PATH", "") + ":/usr/sbin"
    found = shutil.which("apache2", path=places)
    if found is None:
        raise CannotRun("Apache is not installed: as root run apt-get install apache2-bin")
    return found


def write_configuration(server):
    """Write the server's configuration, which includes site.conf unchanged; returns its path.

    Raises CannotRun if the folder's path is too long for the sockets in it.
    """
    if len(os.fsencode(server.directory / "wsgi")) > SOCKET_PREFIX_LIMIT:
        raise CannotRun(
            f"the path {server.directory} is too long for Unix sockets: choose a shorter one"
        )
    defines = {
        "WEBPY_ADDRESS": f"127.0.0.1:{server.port}",
        "WEBPY_SERVER_NAME": "localhost",
        "WEBPY_LOGS": server.directory,
        **server.defines,
    }
    longest = defines.get("WEBPY_REQUEST_TIMEOUT", REQUEST_TIMEOUT)
    after = interrupt_after(longest, defines.get("WEBPY_THREADS", THREADS))
    defines.setdefault("WEBPY_INTERRUPT_AFTER", after)
    text = CONFIGURATION.format(
        address=f"127.0.0.1:{server.port}",
        directory=server.directory,
        name=server.name,
        module=server.module,
        user=f"User {server.user}\nGroup {server.user}" if server.user else "",
        drain_seconds=server.drain_seconds,
        defines="\n".join(f'Define {name} "{value}"' for name, value in defines.items()),
        extra=server.extra,
        site_conf=server.site_conf,
    )
    path = server.directory / "httpd.conf"
    path.write_text(text)
    return path


def start(server, environment, output=None):
    """Start the server in the foreground, in a new session; returns its Popen.

    In its own session Apache gets no Ctrl-C from the terminal, which would make it drop requests.
    environment: the environment variables, which the application's daemons inherit. output: a file
    for what Apache says before its log is open; the caller's standard error by default.
    """
    configuration = write_configuration(server)
    _forget_dead(server, configuration)
    environment = {k: v for k, v in environment.items() if k not in WITHHELD}
    # Apache also drains when its parent is killed.
    guard = ["setpriv", "--pdeathsig", "WINCH"]
    return subprocess.Popen(
        [*guard, find_apache(), "-f", configuration, "-DFOREGROUND"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
        cwd="/",
        start_new_session=True,
    )


def _forget_dead(server, configuration):
    """Remove a pid file whose number now belongs to another process: Apache would not start."""
    path = server.directory / "apache.pid"
    try:
        command = Path("/proc", path.read_text().strip(), "cmdline").read_bytes().split(b"\0")
    except OSError:
        return
    if os.fsencode(configuration) not in command:
        path.unlink()


def answers(url):
    """Whether an HTTP server gives any answer at `url`, an error included."""
    try:
        urllib.request.urlopen(url, timeout=5).close()  # nosec B310
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


def wait_until_up(server, process, path="/", seconds=60):
    """Wait until the server answers at `path`.

    Raises CannotRun with the end of the log if it exits before, or does not answer within
    `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not answers(server.url + path):
        if process.poll() is not None:
            raise CannotRun(f"Apache ended with status {process.returncode}:\n{tail(server.log)}")
        if time.monotonic() > deadline:
            raise CannotRun(
                f"no answer at {server.url}{path} within {seconds} s:\n{tail(server.log)}"
            )
        time.sleep(0.05)


def drain(server, process):
    """Let requests in flight end, then stop the server; returns its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGWINCH)
    try:
        return process.wait(server.drain_seconds + 10)
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.wait(10)


def tail(path, lines=40):
    """The last lines of the file at `path`; empty if there is none."""
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
