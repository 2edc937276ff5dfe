"""The mod_wsgi module of this environment: where it is, and that it fits its Python."""

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path


class ModuleError(Exception):
    """The Apache module is missing or linked to another Python; the message says the cure."""


def module_path():
    """The path of the Apache module in the running interpreter's environment.

    Raises ModuleError if mod_wsgi is not installed there.
    """
    package = importlib.util.find_spec("mod_wsgi")
    for folder in package.submodule_search_locations if package else ():
        for module in Path(folder, "server").glob("mod_wsgi-py*.so"):
            return module
    raise ModuleError(f"mod_wsgi is not installed for {sys.executable}: run scripts/install")


def check_linkage(module):
    """Check with ldd that the module at the path `module` loads this interpreter's libpython.

    A module linked to another one would load that one's standard library, or crash. Raises
    ModuleError if it is, or if any library of the module is not found.
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
        raise ModuleError(f"{module} needs {', '.join(missing)}, which is not found: {cure}")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        raise ModuleError(
            f"{sys.executable} has no shared libpython, which mod_wsgi needs: name another"
            " interpreter with PYTHON=/path/to/python3 and run scripts/install again"
        )
    library = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
    linked = libraries.get(library.name)
    if linked is None or Path(linked).resolve() != library.resolve():
        raise ModuleError(f"{module} is linked to {linked}, not to {library}: {cure}")


if __name__ == "__main__":
    try:
        check_linkage(module_path())
    except ModuleError as error:
        sys.exit(f"scripts/install: {error}")
