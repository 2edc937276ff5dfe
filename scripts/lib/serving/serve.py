"""scripts/serve: the site under its own Apache, in the foreground.

Everything here runs as the daemons' user: root only creates the state folder and then becomes
www-data for good, so that root never opens a file of the site.
"""

import contextlib
import os
import pwd
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from scripts.lib.check.inside import refuse_what_does_not_load
from scripts.lib.command import (
    FAILED,
    ROOT,
    CannotRun,
    command_parser,
    mount_path,
    on_stop,
    run,
    whole_number,
)
from scripts.lib.serving import apache
from scripts.lib.serving.apache import Server
from scripts.lib.serving.databases import SERVERS, running
from scripts.lib.serving.modwsgi import check_linkage, module_path
from scripts.lib.serving.preflight import check_python_home, check_readable, check_writable
from scripts.lib.serving.site_settings import read_site_settings, settings_file
from scripts.lib.serving.user import DAEMON_USER, become_daemon
from scripts.lib.serving.watch import Watcher

MAKE_DATABASE = (sys.executable, "-m", "app.database")


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/serve", "Serve the site by Apache and mod_wsgi on 127.0.0.1 until Ctrl-C."
    )
    add = made.add_argument
    # Apache does not run as root here and cannot listen on the lower ports.
    add("--port", type=whole_number(1024, 65535), default=8080, help="of 127.0.0.1 (default 8080)")
    add("--processes", type=whole_number(1, 64), default=2, help="for reading requests, as many "
        "for writing requests, and for each mode of the lab (default 2)")  # fmt: skip
    add("--threads", type=whole_number(1, 128), default=5, help="of each process (default 5)")
    add("--database", choices=("sqlite", *SERVERS), default="sqlite", help="run a server of this "
        "kind in the state folder, for a look by hand (default sqlite: none)")  # fmt: skip
    add("--lab", action="store_true", help="serve the coherency lab too, below /lab/; the setting "
        "SITE_LAB=on does the same")  # fmt: skip
    add("--prefix", type=mount_path, default="/", help="where the site is mounted, such as /wiki "
        "(default /)")  # fmt: skip
    add("--reload", action="store_true", help="pick up changed code")
    add("--var", type=Path, default=ROOT / "var", metavar="DIR", help="where the database, the "
        "settings and the logs are (default: var in the checkout)")  # fmt: skip
    return made


def make_state(folder):
    """Create the state folder; root gives it to the daemons' user, and becomes that user.

    Returns the name of the user that is now running. Root also hands over everything in a folder
    that was root's. Raises CannotRun if the folder cannot be created.
    """
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"{folder} cannot be created ({error}): name another with --var") from None
    if os.getuid() == folder.stat().st_uid == 0:
        user = pwd.getpwnam(DAEMON_USER)
        subprocess.run(["chown", "-hR", f"{user.pw_uid}:{user.pw_gid}", folder], check=True)
    return become_daemon()


def make_settings(folder):
    """Write the settings file in `folder` unless there is one.

    Returns the path of the one that is used; `settings_file` may find another one first.
    """
    path = folder / "site.env"
    used = settings_file(os.environ, folder)
    if used and (used != path or os.environ.get("SITE_SETTINGS")):
        return used
    if used is None:
        lines = ["SITE_DEMO=1"]
        if folder != ROOT / "var":
            lines.append(f"DATABASE_URI=sqlite://{quote(str(folder))}/site.db")
        write_whole(path, "\n".join(lines) + "\n")
    elif folder != ROOT / "var" and not _names_database(path):
        raise CannotRun(
            f"{path} has no DATABASE_URI, so the database would be that of {ROOT}/var: write "
            "the line, or remove the file to get a new one"
        )
    return path


def _names_database(path):
    lines = path.read_text(errors="replace").splitlines()
    return bool(os.environ.get("DATABASE_URI")) or any(
        re.match(r"\s*DATABASE_URI\s*=\s*\S", line) for line in lines
    )


def write_whole(path, text):
    """Write a file that only its owner reads, wholly or not at all. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def check_port(port):
    """Check that nothing listens on `port`. Raises CannotRun."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotRun(
                f"port {port} is not free ({error}): choose another with --port"
            ) from None


def check_site(user, folder):
    """Check before the start what would fail after it.

    Raises CannotRun.
    """
    site = [ROOT / name for name in ("wsgi/app.wsgi", "app", "app/static", "apache/site.conf")]
    python = [Path(sys.prefix), Path(sys.executable).resolve(), Path(os.__file__)]
    check_readable([*site, *python], user)
    check_readable(sorted((ROOT / "app").rglob("*.py")), user)
    check_writable(folder, user)
    check_python_home(sys.prefix)
    check_linkage(module_path())


def make_database(environment):
    """Create the database as the daemons' user; if that fails, serve ends with the same status."""
    done = subprocess.run(MAKE_DATABASE, cwd=ROOT, env=environment)
    if done.returncode != 0:
        sys.exit(done.returncode)


@contextlib.contextmanager
def database_uri(engine, folder):
    """Yield what the environment needs for `engine`: nothing for SQLite, or a server's URI."""
    if engine == "sqlite":
        yield {}
        return
    state = folder / engine
    state.mkdir(mode=0o700, exist_ok=True)
    with running(engine, state) as server:
        print(f"{engine} runs in {state}", flush=True)
        yield {"DATABASE_URI": server.database("site")}


def prepare(options):
    """Check everything and create the state; returns the Server, its environment and a Watcher.

    The Watcher is None without --reload.
    """
    folder = options.var.absolute()
    check_port(options.port)
    user = make_state(folder)
    check_site(user, folder)
    run = folder / "apache"
    run.mkdir(exist_ok=True)
    environment = os.environ | {"SITE_SETTINGS": str(make_settings(folder))}
    environment.pop("PYTHONPATH", None)
    if options.lab:
        environment["SITE_LAB"] = "on"
    defines = {
        "WEBPY_ROOT": ROOT,
        "WEBPY_VENV": sys.prefix,
        "WEBPY_PROCESSES": options.processes,
        "WEBPY_THREADS": options.threads,
    }
    settings = read_site_settings(environment)
    defines |= {"WEBPY_PREFIX": options.prefix, "WEBPY_STATIC": settings.static}
    if settings.request_log:
        defines["WEBPY_JSON_LOG"] = 1
    if settings.path:
        check_readable([Path(settings.path), *sorted(Path(settings.path).rglob("*.py"))], user)
    if settings.lab:
        check_readable([ROOT / "apache" / "lab.conf", ROOT / "app" / "lab" / "lab.wsgi"], user)
        defines |= {
            "WEBPY_LAB": 1,
            "WEBPY_LAB_PROCESSES": options.processes,
            "WEBPY_LAB_THREADS": options.threads,
        }
    watcher = Watcher(ROOT, settings.path) if options.reload else None
    return Server(run, options.port, module_path(), defines), environment, watcher


def serve(server, environment, watcher):
    """Serve until SIGINT, SIGTERM or SIGHUP, then drain; returns the exit status.

    A signal at least a second later stops at once. Raises CannotRun, with the status FAILED,
    if Apache does not come up or dies.
    """
    stops = []

    def stop(_number, _frame):
        # One wish to stop may come twice: timeout(1) signals its child and then its whole group.
        stops.append(time.monotonic())
        if stops[-1] - stops[0] > 1:
            process.terminate()

    on_stop(stop)
    site = server.defines["WEBPY_PREFIX"].rstrip("/") + "/"
    process = apache.start(server, environment)
    try:
        apache.wait_until_up(server, process, site)
        print(f"serving on {server.url}{site} - log: {server.log} - stop: Ctrl-C", flush=True)
        if "WEBPY_LAB" in server.defines:
            print(f"the coherency lab is {server.url}{site}lab/", flush=True)
        while not stops and process.poll() is None:
            time.sleep(0.2)
            if watcher:
                watcher.look(process.pid, environment)
        if not stops:
            raise CannotRun(f"Apache died:\n{apache.tail(server.log)}")
        print("letting requests end, then stopping", flush=True)
    except CannotRun as error:
        error.status = FAILED
        raise
    finally:
        apache.drain(server, process)
    return 0


def main(arguments):
    """Serve the site as the command line `arguments` say; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        server, environment, watcher = prepare(options)
        with database_uri(options.database, options.var.absolute()) as further:
            environment |= further
            make_database(environment)
            refuse_what_does_not_load(environment)
            return serve(server, environment, watcher)
    except OSError as error:
        raise CannotRun(f"{error}: name another folder with --var") from None


if __name__ == "__main__":
    run("scripts/serve", main)
