"""A release: the commit's files in a folder, with a virtual environment for it alone."""

import contextlib
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import sys
import tomllib
from urllib.parse import quote

from scripts.lib.command import CANNOT_RUN, FAILED, ROOT, CannotRun
from scripts.lib.deploy.place import MOST_RELEASES
from scripts.lib.serving.serve import write_whole
from scripts.lib.serving.user import as_user

# The databases whose drivers are extras of pyproject.toml.
DRIVERS = {"postgres": "postgres", "postgresql": "postgres", "mysql": "mariadb"}
# Written when a release is whole: one that was stopped half-way is created again.
WHOLE = ".release"


def commit_to_deploy():
    """The commit that is checked out here. Raises CannotRun where there are other changes."""
    changed = _git("status", "--porcelain", "--untracked-files=no")
    if changed:
        raise CannotRun(f"the checkout has changes that are in no commit: commit them\n{changed}")
    return _git("rev-parse", "HEAD")


def _git(*words):
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise CannotRun("git is not installed: as root run apt-get install git") from None
    if done.returncode != 0:
        raise CannotRun(f"{ROOT} is no checkout of git's: {done.stderr.strip()}")
    return done.stdout.strip()


def make_user(place):
    """Create the daemons' user, a system user without a shell, unless it exists."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(place.user)
        return
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", place.home]
    _run([*command, "--shell", "/usr/sbin/nologin", place.user], "the user cannot be created")


def make_home(place):
    """Create the site's folders, and its settings file unless there is one."""
    place.releases.mkdir(parents=True, exist_ok=True)
    place.data.mkdir(mode=0o750, exist_ok=True)
    shutil.chown(place.data, place.user, place.user)
    if not place.settings.exists():
        uri = f"sqlite://{quote(str(place.data))}/site.db"
        write_whole(place.settings, f"DATABASE_URI={uri}\n")
    place.settings.chmod(0o400)
    shutil.chown(place.settings, place.user, place.user)


def is_whole(place, commit):
    """Whether there is the whole release of `commit`."""
    return (place.releases / commit / WHOLE).exists()


def make_release(place, commit):
    """Create the release of `commit` below the Place unless it is whole; returns its folder.

    Raises CannotRun.
    """
    folder = place.releases / commit
    if is_whole(place, commit):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    archive = ["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "archive", commit]
    with subprocess.Popen(archive, stdout=subprocess.PIPE) as files:
        unpack = ["tar", "--extract", "--no-same-owner", "--directory", folder]
        _run(unpack, "the release cannot be unpacked", stdin=files.stdout)
    if files.returncode:
        raise CannotRun(f"git cannot give the files of {commit}")
    (folder / "site.env").symlink_to("../../site.env")
    _make_environment(place, folder)
    _run(["chmod", "-R", "go+rX,go-w", folder], "the release cannot be opened for reading")
    (folder / WHOLE).touch()
    return folder


def _make_environment(place, folder):
    """Create the release's .venv; packages of an earlier one with the same pins are hard links."""
    wanted = _requirements(place, folder)
    stamp = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()
    environment = folder / ".venv"
    python = os.path.realpath(sys.executable)
    _run([python, "-m", "venv", "--without-pip", environment], "the environment cannot be created")
    same = next(
        (
            other.parent
            for other in place.releases.glob("*/.venv/.stamp")
            if other.read_text() == stamp and (other.parent.parent / WHOLE).exists()
        ),
        None,
    )
    if same:
        for packages in same.glob("lib/python3*/site-packages"):
            target = environment / packages.relative_to(same)
            _run(["cp", "-al", f"{packages}/.", target], "the packages cannot be linked")
    else:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--quiet"]
        pip += ["--python", environment / "bin" / "python", "install", *wanted]
        _run(pip, "the packages cannot be installed")
    compiling = [environment / "bin" / "python", "-m", "compileall", "-q", folder / "app"]
    _run(compiling, "the code cannot be compiled")
    (environment / ".stamp").write_text(stamp)


def _requirements(place, folder):
    """The pins of pyproject.toml: mod_wsgi is Apache's own, an extra what the settings need."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    wanted = [one for one in project["dependencies"] if not one.startswith("mod_wsgi==")]
    settings = place.settings.read_text()
    uri = re.search(r"^\s*DATABASE_URI\s*=\s*['\"]?([a-z]+)", settings, re.M)
    extras = [DRIVERS[uri[1]]] if uri and uri[1] in DRIVERS else []
    if re.search(r"^\s*SITE_METRICS\s*=\s*\S", settings, re.M):
        extras.append("metrics")
    return wanted + [one for extra in extras for one in project["optional-dependencies"][extra]]


def make_database(place, folder):
    """Add the tables and columns that are new in the release, as the daemons' user.

    Raises CannotRun, with the status FAILED, if that needs a decision or the code does not load.
    """
    command = [folder / ".venv" / "bin" / "python", "-m", "app.database"]
    said = "the database cannot be brought up to the models"
    _run(command, said, FAILED, cwd=folder, env=environment(place), **as_user(place.user))


def environment(place):
    """The variables that a system service has."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": str(place.home)}


def remove(place, commit):
    """Remove the release of `commit`; one that is removed in part is not taken for whole."""
    folder = place.releases / commit
    (folder / WHOLE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def remove_old(place, history):
    """Remove the releases that are neither served nor among the last of `history`."""
    staying = {*history[-MOST_RELEASES:], place.served()}
    for folder in place.releases.iterdir():
        if folder.name not in staying:
            remove(place, folder.name)


def _run(command, complaint, status=CANNOT_RUN, **options):
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode != 0:
        raise CannotRun(f"{complaint}:\n{done.stdout.strip()}", status)
