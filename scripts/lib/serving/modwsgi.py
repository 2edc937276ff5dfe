"""The mod_wsgi module of this environment: where it is, and that it fits its Python."""

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

from scripts.lib.command import CannotRun, run


def module_path():
    """The path of the Apache module in the running interpreter's environment.

    Raises CannotRun if mod_wsgi is not installed there.
    """
    package = importlib.util.find_spec("mod_wsgi")
    for folder in package.submodule_search_locations if package else ():
        for module in Path(folder, "server").glob("mod_wsgi-py*.so"):
            return module
    raise CannotRun(f"mod_wsgi is not installed for {sys.executable}: run scripts/install")


def check_linkage(module):
    """Check with ldd that the module at the path `module` loads this interpreter's libpython.

    A module linked to another one would load that one's standard library, or crash. Raises
    CannotRun if it is, or if any library of the module is not found.
    """
    listed = subprocess.run(["ldd", module], capture_output=True, text=True, check=True).stdout
    libraries = {}
    for line in listed.splitlines():
        name, arrow, target = line.strip().partition(" => ")
        if arrow:
            libraries[name] = target.partition(" (")[0]
    cure = "remove .venv and run scripts/install again"
    missing = [name for name, target in libraries.items() if target == "not found"]
    if missing:
        raise CannotRun(f"{module} needs {', '.join(missing)}, which is not found: {cure}")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        raise CannotRun(
            f"{sys.executable} has no shared libpython, which mod_wsgi needs: name another"
            " interpreter with PYTHON=/path/to/python3 and run scripts/install again"
        )
    library = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
    linked = libraries.get(library.name)
    if linked is None or Path(linked).resolve() != library.resolve():
        raise CannotRun(f"{module} is linked to {linked}, not to {library}: {cure}")


def main(_arguments):
    """Check the module of this environment, as scripts/install does at its end."""
    check_linkage(module_path())
    return 0


if __name__ == "__main__":
    run("scripts/install", main)
