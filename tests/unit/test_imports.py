"""What each part of app/ may import, and that a module is short and says what it is about.

Imports run one way: example → web → settings; example and web → transactions; lab → example and
web, and in its mode "bundle" transactions; transactions → nothing of the site. A name in a string,
such as a handler's in `urls`, is no import.
"""

import ast
import re

import pytest

from app.settings import ROOT

APP = ROOT / "app"
FILES = sorted([*APP.rglob("*.py"), *APP.rglob("*.wsgi")], key=str)
PARTS = ("parsers", "settings", "web", "transactions", "lab")
# What each part may import besides itself. Every module outside of these parts is the example.
MAY_IMPORT = {
    "parsers": set(),
    "settings": {"parsers"},
    "web": {"settings", "transactions"},
    "transactions": set(),
    "example": {"settings", "web", "transactions"},
    "lab": {"settings", "web", "example", "transactions"},
}
# The processor, and all that concerns only web.py: its context, its sessions, their stores.
WEBPY = {
    "nested.py",
    "outcomes.py",
    "processor.py",
    "replay.py",
    "streaming.py",
    "web_sessions.py",
    "web_stores.py",
}
# The modules that create the tables and check a password between two transactions.
IMPORT_TRANSACTIONS_AT_ONCE = {
    "account_pages.py",
    "database.py",
    "editors.py",
    "program.py",
    "sign_in.py",
    "tables.py",
}
LONGEST = 300

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(APP)))
each_of_transactions = pytest.mark.parametrize(
    "file",
    [file for file in FILES if APP / "transactions" in file.parents],
    ids=lambda file: str(file.relative_to(APP / "transactions")),
)


def tree(file):
    return ast.parse(file.read_text())


def imports(file, nodes=ast.walk):
    """Yield (level, module, name) of each import; `name` is None for `import module`."""
    for node in nodes(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, node.module or "", alias.name) for alias in node.names)


def part_of(path):
    """The part of app/ that the names in `path`, a list, lead to: ["web", "csrf"] to web."""
    return path[0] if path and path[0] in PARTS else "example"


def imported_parts(file, nodes=ast.walk):
    """The parts of app/ that `file` imports, its own among them."""
    here = ["app", *file.relative_to(APP).parent.parts]
    for level, module, name in imports(file, nodes):
        # One dot is the module's own package, a further one the package around it.
        above = here[: len(here) - level + 1] if level else []
        path = [*above, *module.split("."), *([name] if name else [])]
        path = [part for part in path if part]
        if path[0] == "app":
            yield part_of(path[1:])
        elif level:
            raise AssertionError(f"{file} imports from outside of app/: {'.'.join(path)}")


@each_file
def test_imports_run_one_way(file):
    own = part_of([name.removesuffix(".py") for name in file.relative_to(APP).parts])
    assert set(imported_parts(file)) - {own} <= MAY_IMPORT[own]


@each_of_transactions
def test_the_folder_that_people_take_has_relative_imports_within_itself_only(file):
    depth = len(file.relative_to(APP / "transactions").parts)
    for level, module, name in imports(file):
        assert module.split(".")[0] != "app", f"import {module} {name}"
        assert level <= depth, f"from {'.' * level}{module} import {name}"


@each_of_transactions
def test_webpy_is_imported_by_few_modules_of_it(file):
    imported = {module.split(".")[0] for level, module, _ in imports(file) if not level}
    assert "web" not in imported or file.relative_to(APP / "transactions").as_posix() in WEBPY


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if APP / "transactions" not in file.parents],
    ids=lambda file: str(file.relative_to(APP)),
)
def test_few_modules_import_the_transactions_as_they_are_imported(file):
    """The other modules, which the lab's stock modes share, leave SQLObject as it comes."""
    at_once = set(imported_parts(file, lambda module: module.body))
    assert "transactions" not in at_once or file.name in IMPORT_TRANSACTIONS_AT_ONCE


@each_file
def test_a_module_is_short(file):
    assert len(file.read_text().splitlines()) < LONGEST


@each_file
def test_a_module_says_in_one_sentence_what_it_is_about(file):
    first = (ast.get_docstring(tree(file)) or "").partition("\n")[0]
    assert re.fullmatch(r"[^\s].*\.", first), f"{file}: the first line ends a sentence"
    assert not re.search(r"[.!?] [A-Z]", first), f"{file}: {first}"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("web/one.py", "from app import load_sqlo", {"example"}),
        ("web/one.py", "import app.lab.modes", {"lab"}),
        ("web/one.py", "from .. import models", {"example"}),
        ("web/one.py", "from ..transactions import doom", {"transactions"}),
        ("web/one.py", "from . import csrf\nimport json", {"web"}),
        ("web/one.py", "def f():\n    from app.settings import settings", {"settings"}),
        ("one.py", "from .web.csrf import check_form", {"web"}),
        ("transactions/engines/one.py", "from ...settings import ROOT", {"settings"}),
    ],
)
def test_an_import_is_found_however_it_is_written(tmp_path, monkeypatch, name, text, found):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    monkeypatch.setitem(globals(), "APP", tmp_path)
    assert set(imported_parts(file)) == found
