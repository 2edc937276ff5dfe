"""The two old applications with the edits of docs/from-an-old-application.md, in this bundle."""

import contextlib
import shutil
import subprocess

from tests.apache.server import apache, folders
from tests.applications.stock import HERE

APPLICATION = {"wiki": "wiki.code:app", "shop": "main:app"}


def edited(old, place):
    """Copy an old application to `place`, make the page's edits and return `place`."""
    shutil.copytree(old.folder, place, ignore=shutil.ignore_patterns("__pycache__"))
    command = ["patch", "--strip=1", "--silent", "--no-backup-if-mismatch"]
    with (HERE / f"{old.name}.patch").open() as edits:
        subprocess.run(command, cwd=place, stdin=edits, check=True)
    return place


def settings(old, place, data, uri):
    """What the page puts into site.env, with the application's own lines."""
    return {
        "SITE_APPLICATION": APPLICATION[old.name],
        "SITE_PATH": str(place),
        "SITE_DATABASE": old.tables,
        **old.environment(data, uri),
    }


@contextlib.contextmanager
def moved_in(old, data, uri, prefix="", processes=2, threads=3, change=None):
    """Serve an edited application by this checkout under Apache; yields its address.

    `data`: a folder of data_folder(). `uri`: its database, or an empty one. `prefix`: where it
    is mounted. `change(place)` changes the application in its folder before.
    """
    with folders() as folder:
        place = edited(old, folder / old.name)
        if change:
            change(place)
        defines = {"WEBPY_STATIC": place / "static"} | ({"WEBPY_PREFIX": prefix} if prefix else {})
        with apache(
            processes=processes,
            threads=threads,
            settings=settings(old, place, data, uri),
            defines=defines,
            path=prefix + old.asked,
        ) as site:
            try:
                yield site.url + prefix
            finally:
                # pytest shows it where a test has failed.
                print(site.error_log())
