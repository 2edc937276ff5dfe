"""The application's own source files, without the bundle's and those of libraries."""

import ast
import sys
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from app.settings import ROOT, settings

# The modules of the package `app` that are no part of the example.
BUNDLE = ("__init__", "check", "database", "lab", "own", "program", "settings", "tables")
BUNDLE += ("transactions", "web")


class Source:
    """A file of the application's: its path and its syntax tree, without what only a script does.

    `broken`: the SyntaxError or UnicodeError of a file that is no Python.
    """

    def __init__(self, path):
        self.path = path
        self.broken = None
        try:
            self.tree = ast.parse(path.read_bytes(), str(path))
        except (SyntaxError, ValueError) as error:
            self.tree, self.broken = ast.parse(""), error
        self.tree.body = [one for one in self.tree.body if not _is_for_a_script(one)]

    @cached_property
    def module(self):
        """The module that was imported from the file, or None."""
        for module in list(sys.modules.values()):
            if (getattr(module, "__file__", None) or "") == str(self.path):
                return module
        return None

    @cached_property
    def imported(self):
        """{name: dotted name} of all that its imports bind."""
        bound = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound[alias.asname or alias.name.partition(".")[0]] = alias.name
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    base = _absolute(node, self.path)
                    bound[alias.asname or alias.name] = f"{base}.{alias.name}"
        return bound


def _is_for_a_script(node):
    """Whether a statement is `if __name__ == "__main__":`, which daemons do not execute."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
        and not node.orelse
    )


def _absolute(node, path):
    if not node.level:
        return node.module or ""
    folder = path.parents[node.level - 1]
    names = [folder.name]
    while (folder / "__init__.py").exists() and (folder.parent / "__init__.py").exists():
        folder = folder.parent
        names.insert(0, folder.name)
    return ".".join([*names, *([node.module] if node.module else [])])


@cache
def root():
    """The folder below which the application's modules are."""
    if settings.path is not None:
        return settings.path
    if settings.application is None:
        return ROOT
    spec = find_spec(_top(settings.application))
    if spec and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).parent
    return Path(spec.origin).parent if spec and spec.origin else ROOT


def _top(named):
    return named.partition(":")[0].partition(".")[0]


def is_own(file):
    """Whether `file`, a path as text, is one of the application's sources."""
    path = Path(file)
    if ROOT / "app" in path.parents:
        first = path.relative_to(ROOT / "app").parts[0].removesuffix(".py")
        return settings.application is None and first not in BUNDLE
    if settings.application is None or root() not in path.parents:
        return False
    inside = path.relative_to(root()).parts
    if settings.path is None:
        # A package that pip has installed, or one of the checkout's.
        tops = {_top(named) for named in (settings.application, settings.database) if named}
        return inside[0].removesuffix(".py") in tops
    return "site-packages" not in inside and ROOT / "scripts" not in path.parents


def sources():
    """Return the Sources of the modules that are served: those imported, and their imports."""
    found = {}
    waiting = sorted(_begin_with())
    while waiting:
        path = waiting.pop(0)
        if path in found or not is_own(str(path)):
            continue
        found[path] = Source(path)
        waiting += [file for name in _names(found[path]) for file in _files(name)]
    return list(found.values())


def _begin_with():
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    yield from (Path(file) for file in files if file and file.endswith(".py"))
    if settings.application is None:
        yield from (ROOT / "app").glob("*.py")
    for named in (settings.application, settings.database):
        if named:
            yield from _files(named.partition(":")[0])


def _names(source):
    """The dotted names of modules that a Source may import."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, source.path)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _files(name):
    """The existing files of the module `name` and of the packages around it."""
    path = root() if settings.application else ROOT
    for part in filter(None, name.split(".")):
        path = path / part
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                yield file
