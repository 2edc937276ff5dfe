"""The documents define each name in exactly one place, and every name in them exists."""

import argparse
import importlib
import os
import re
import tomllib
from collections import Counter
from dataclasses import fields
from pathlib import PurePosixPath

import pytest

from app import database, transactions
from app.settings import FILE_VARIABLE, ROOT, Settings
from tests.documents import DOCUMENTS, anchors, definitions, links

APACHE = "\n".join(path.read_text() for path in sorted((ROOT / "apache").glob("*.conf")))
COMPOSE = "\n".join(
    (ROOT / name).read_text()
    for name in ("compose.yaml", "docker/cluster.yaml", "docker/application.yaml")
)
LONGEST_README = 1200
# The name of a setting, of a Define or of a container's variable.
VARIABLE = "(?:SITE|WEBPY|DATABASE|CA)_[A-Z_]+"
SCRIPTS = sorted(
    path for path in (ROOT / "scripts").iterdir() if path.is_file() and os.access(path, os.X_OK)
)
DEFINED = [
    (document, heading, name)
    for document, text in DOCUMENTS.items()
    if document != "CHANGELOG.md"
    for heading, name in definitions(text)
]

each_document = pytest.mark.parametrize("document", DOCUMENTS)


class ParserUsed(Exception):
    """Ends a command as soon as it parses; its first argument is the parser."""


def defined_once(names):
    """{name: how often the documents define it} for each of `names` that is not defined once."""
    found = Counter(name for _, _, name in DEFINED)
    return {name: found[name] for name in names if found[name] != 1}


def settings():
    known = {item.metadata["variable"] for item in fields(Settings) if item.metadata}
    return known | {FILE_VARIABLE}


def defines():
    """The Defines for whoever includes the files of apache/.

    The files' own Defines have no <IfDefine !…> around them.
    """
    made = set(re.findall(r"^\s*Define (WEBPY_\w+)", APACHE, re.MULTILINE))
    given = set(re.findall(r"<IfDefine !(WEBPY_\w+)>", APACHE))
    asked = set(re.findall(r"<IfDefine !?(WEBPY_\w+)>|\$\{(WEBPY_\w+)\}", APACHE))
    asked = {name for pair in asked for name in pair if name}
    # Names that are put together for one comparison.
    return {name for name in asked - (made - given) if not name.startswith("WEBPY_SIZE_")}


def variables():
    """What Compose and the container read from the environment, besides settings and Defines."""
    read = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE))
    read |= set(re.findall(r"^ +- (\w+)$", COMPOSE, re.MULTILINE))
    entrypoint = (ROOT / "docker" / "entrypoint").read_text()
    [secrets] = re.findall(r"^SECRETS = (\(.*\))$", entrypoint, re.MULTILINE)
    read |= {f"{name}_FILE" for name in re.findall(r'"(\w+)"', secrets)}
    return read - settings() - defines()


def options_of(main, monkeypatch):
    """The options and arguments of the command whose `main` parses them, as its help has them."""

    def parse_args(parser, *_):
        raise ParserUsed(parser)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    with pytest.raises(ParserUsed) as used:
        main([])
    for action in used.value.args[0]._actions:
        if not action.option_strings:
            yield action.metavar or action.dest.upper()
        elif action.dest != "help":
            yield from action.option_strings


def options(script, monkeypatch):
    text = script.read_text()
    if module := re.search(r"exec .* -m (scripts\.lib\.[\w.]+) ", text):
        return list(options_of(importlib.import_module(module[1]).main, monkeypatch))
    return re.findall(r"^ +(--\w+)\)", text, re.MULTILINE)


def listed_below(document, title):
    """The options and arguments that the section `title` of a document defines; a list."""
    rows = [name for place, heading, name in DEFINED if (place, heading) == (document, title)]
    return [name.split()[0] for name in rows if re.match("--|[A-Z]+$", name)]


def test_every_script_is_documented_once():
    names = [f"scripts/{path.name}" for path in SCRIPTS]
    assert not defined_once(names)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_option_of_a_script_is_documented_once(script, monkeypatch):
    """In the section of scripts/README.md with the name of the script."""
    listed = listed_below("scripts/README.md", f"scripts/{script.name}")
    assert sorted(listed) == sorted(options(script, monkeypatch))


def test_every_option_of_the_database_command_is_documented_once(monkeypatch):
    there = list(options_of(database.parse_options, monkeypatch))
    assert sorted(listed_below("app/README.md", "The database")) == sorted(there)


def test_no_option_is_documented_elsewhere():
    titles = {("scripts/README.md", f"scripts/{path.name}") for path in SCRIPTS}
    titles.add(("app/README.md", "The database"))
    elsewhere = [one for one in DEFINED if one[2].startswith("--") and one[:2] not in titles]
    assert not elsewhere


def test_every_setting_is_documented_once():
    assert not defined_once(settings())


def test_every_define_is_documented_once():
    assert not defined_once(defines())


def test_every_variable_of_a_container_is_documented_once():
    assert not defined_once(variables())


def test_the_container_s_document_names_all_that_compose_reads():
    read = re.findall(r"^ +- (WEBPY_\w+)$", COMPOSE, re.MULTILINE)
    missing = [name for name in read if f"`{name}`" not in DOCUMENTS["docker/README.md"]]
    assert not missing


def test_no_other_setting_define_or_variable_is_documented():
    named = {name for _, _, name in DEFINED if re.fullmatch(VARIABLE, name)}
    assert named == settings() | defines() | variables()


def test_every_public_name_of_the_transactions_is_documented_once():
    names = [re.sub(r"^@|\(.*", "", name) for _, _, name in DEFINED]
    found = Counter(names)
    assert not {name: found[name] for name in transactions.__all__ if found[name] != 1}


@pytest.mark.parametrize("folder", ["apache", "docker"])
def test_every_file_of_apache_s_and_docker_s_is_documented_once(folder):
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    names = [str(path.relative_to(ROOT)) for path in files if path.suffix != ".md"]
    assert names
    assert not defined_once(names)


@each_document
def test_no_link_is_dead(document):
    dead = []
    for target in links(DOCUMENTS[document]):
        name, _, anchor = target.partition("#")
        path = os.path.normpath(PurePosixPath(document).parent / name) if name else document
        if not (ROOT / path).exists() or (anchor and anchor not in anchors(DOCUMENTS[path])):
            dead.append(target)
    assert not dead


def test_the_readme_leads_to_every_document_at_one_click():
    linked = {target.partition("#")[0] for target in links(DOCUMENTS["README.md"])}
    assert set(DOCUMENTS) - linked == {"README.md"}


def test_the_readme_is_short():
    assert len(DOCUMENTS["README.md"].split()) <= LONGEST_README


@each_document
def test_every_file_that_a_document_names_is_there(document):
    folders = "app|apache|docker|docs|wsgi|tests|scripts"
    named = re.findall(rf"[`(]((?:{folders})/[\w./-]*)[`)]", DOCUMENTS[document])
    # Or beside the document.
    places = (ROOT, (ROOT / document).parent)
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert not missing


@each_document
def test_every_script_that_a_document_names_is_there(document):
    named = set(re.findall(r"\bscripts/(\w+)", DOCUMENTS[document])) - {"README"}
    assert not [name for name in named if not (ROOT / "scripts" / name).exists()]


@each_document
def test_every_define_in_a_document_s_configuration_is_there(document):
    blocks = re.findall(r"```apache\n(.*?)```", DOCUMENTS[document], re.DOTALL)
    named = {name for block in blocks for name in re.findall(r"Define (\w+)", block)}
    assert named <= defines()


def test_the_newest_version_in_the_changelog_is_the_project_s():
    newest = re.search(r"^## (\S+)", DOCUMENTS["CHANGELOG.md"], re.MULTILINE)[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert newest == project["version"]
