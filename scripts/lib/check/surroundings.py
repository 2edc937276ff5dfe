"""What the daemons need beside the application: Python, Apache, permissions, room, a clock."""

import locale
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.check.findings import OK, WARNING, WRONG, Finding
from scripts.lib.check import apache
from scripts.lib.check.apache import LOCALE
from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.apache import CONFIGURATION, find_apache
from scripts.lib.serving.modwsgi import check_linkage, module_path
from scripts.lib.serving.preflight import check_python_home, check_readable

LITTLE_SPACE = 200 << 20
FEW_FILES = 1000
# Seconds that a file may be newer than this machine's clock says.
SECONDS_AHEAD = 60


def surroundings(user, settings, server=None):
    """Yield the Findings for `user`, the name of who is running, and the SiteSettings.

    `server`: the Apache that will serve, or None for that of scripts/serve.
    """
    yield from _python(server.module if server else None)
    yield from apache.findings(server) if server else ()
    yield from _versions(server)
    yield from _apache()
    yield from _locale()
    yield from _permissions(user, settings)
    yield from _space([ROOT, Path(tempfile.gettempdir())])
    yield from _clock()


def _told(check, text):
    """A Finding: the message of the CannotRun that `check()` raises, or `text` as ok."""
    try:
        check()
    except CannotRun as error:
        return Finding(WRONG, str(error))
    return Finding(OK, text)


def _python(module):
    python = f"Python {platform.python_version()}"
    yield _told(lambda: check_python_home(sys.prefix), f"python-home: {python} in {sys.prefix}")
    yield _told(
        lambda: check_linkage(module or module_path()),
        "libpython: mod_wsgi uses that of python-home",
    )


def _versions(server):
    """Compare the packages with those that the bundle was tested with.

    Your Apache may have another mod_wsgi, which is no package of this environment.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    others = []
    for pinned in project["dependencies"]:
        name, _, wanted = pinned.partition("==")
        if server and name == "mod_wsgi":
            continue
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            others.append(f"{name} is {found}, tested with {wanted}")
    if others:
        yield Finding(WARNING, f"versions: {'; '.join(others)}: run scripts/install")
    else:
        yield Finding(OK, f"versions: {', '.join(project['dependencies'])}")


def _apache():
    try:
        program = find_apache()
    except CannotRun as error:
        yield Finding(WRONG, str(error))
        return
    said = subprocess.run([program, "-v"], capture_output=True, text=True).stdout
    modules = [word for word in CONFIGURATION.split() if word.startswith("modules/")]
    missing = [name for name in modules if not Path("/usr/lib/apache2", name).exists()]
    if missing:
        text = f"Apache lacks {', '.join(missing)}: as root run apt-get install apache2-bin"
        yield Finding(WRONG, text)
    else:
        yield Finding(OK, said.partition("\n")[0].partition(": ")[2] + ", with its modules")


def _locale():
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, LOCALE)
    except locale.Error:
        text = f"locale: there is no {LOCALE}, without which files are read as ASCII: as root run"
        yield Finding(WRONG, f"{text} apt-get install libc-bin")
    else:
        yield Finding(OK, f"locale: {LOCALE}")
    finally:
        locale.setlocale(locale.LC_ALL, before)


def _permissions(user, settings):
    """Look along the path of each file that a daemon or Apache opens."""
    home = [ROOT / name for name in ("wsgi/app.wsgi", "apache/site.conf", "app")]
    python = [Path(sys.prefix), Path(sys.executable).resolve(), Path(os.__file__)]
    paths = [*home, *python, *sorted((ROOT / "app").rglob("*.py"))]
    if settings.static != "none" and Path(settings.static).exists():
        paths += [Path(settings.static), *sorted(Path(settings.static).rglob("*"))]
    if settings.path:
        own = Path(settings.path)
        names = settings.application.partition(":")[0].split(".")
        packages = [own.joinpath(*names[:number]) for number in range(len(names))]
        paths += [path for path in packages if path.is_dir()]
        paths += [path for path in sorted(own.rglob("*")) if _is_read(path)]
    # One line tells of all files in a closed folder.
    told = {}
    for path in paths:
        try:
            check_readable([path], user)
        except CannotRun as error:
            cause = str(error).partition(", so Apache")[0]
            told.setdefault(cause, Finding(WRONG, str(error)))
    yield from told.values() or [Finding(OK, f"permissions: {user} can read {len(paths)} files")]


def _is_read(path):
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and (path.suffix in (".py", ".html", ".xml") or "templates" in path.parts)


def _space(folders):
    little = []
    for folder in folders:
        free, files = shutil.disk_usage(folder).free, os.statvfs(folder)
        if free < LITTLE_SPACE:
            little.append(f"{folder} has {free >> 20} MiB left")
        if files.f_files and files.f_favail < FEW_FILES:
            little.append(f"{folder} has room for {files.f_favail} files")
    if little:
        yield Finding(WARNING, f"disk: {'; '.join(little)}: make room")
    else:
        yield Finding(OK, f"disk: room in {' and '.join(map(str, folders))}")


def _clock():
    newest = max((ROOT / "app").rglob("*.py"), key=lambda path: path.stat().st_mtime)
    ahead = newest.stat().st_mtime - time.time()
    if ahead > SECONDS_AHEAD:
        text = f"was written {ahead:.0f} s in the future: set this machine's clock"
        yield Finding(WARNING, text, str(newest))
    else:
        yield Finding(OK, f"clock: {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}")
