"""A checkout of the bundle with an application that names its release, for tests of a new one."""

import shutil
import subprocess

from scripts.lib.command import ROOT

CODE = """
import os, time, web
from sqlobject import SQLObject, StringCol

class Note(SQLObject):
    text = StringCol(default=None)

class Index:
    def GET(self):
        {first}
        time.sleep(float(web.input(seconds="0").seconds))
        facts = os.getpid(), os.getcwd(), web.__file__, os.getuid()
        return " ".join(map(str, ("{release}", *facts)))

app = web.application(("/", "Index"), globals())
"""
PARTS = ("app", "apache", "scripts", "wsgi")
SETTINGS = {"SITE_APPLICATION": "told:app"}


def write(folder, release, first="pass"):
    """Write the application's module into `folder`; its page begins with the statement `first`."""
    (folder / "told.py").write_text(CODE.format(release=release, first=first))


def make(folder, release="one"):
    """Copy the checkout to the new folder `folder`, with the application; returns the folder."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in PARTS:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    write(folder, release)
    return folder


def commit(folder):
    """Commit all of `folder`, a git repository from the first call on; returns the commit."""
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "-C", folder]
    if not (folder / ".git").exists():
        subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "A release"], check=True)
    found = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return found.stdout.strip()
