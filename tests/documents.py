"""The project's Markdown documents, taken apart: names that they define, links, commands.

A document *defines* a name where a table's row, a heading, or a list item up to its colon begins
with the name in backticks. Several names may stand there with commas between. Everywhere else a
name is only mentioned.
"""

import re

from scripts.lib.command import ROOT

FOLDERS = ("app", "apache", "docker", "docs", "scripts", "tests", "wsgi")
_FILES = [*ROOT.glob("*.md"), *(file for name in FOLDERS for file in (ROOT / name).rglob("*.md"))]
# The text of each document, by its path from the checkout.
DOCUMENTS = {str(file.relative_to(ROOT)): file.read_text() for file in sorted(_FILES)}
# tests/applications/test_steps.py runs its commands.
TOLD_ELSEWHERE = "docs/from-an-old-application.md"

_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_SPANS = re.compile(r"`[^`]+`(?:(?:, | and )`[^`]+`)*")


def definitions(text):
    """Yield (heading, name) for each name that the document `text` defines, in order.

    heading: the section's, without its #; "" before the first.
    """
    heading = ""
    for line in _BLOCK.sub("", text).splitlines():
        if line.startswith("#"):
            begins = heading = line.lstrip("#").strip()
        elif line.startswith("| "):
            begins = line[2:]
        elif found := re.match(r" *(?:[-*]|\d+\.) (`[^:]*`):", line):
            begins = found[1]
        else:
            continue
        if spans := _SPANS.match(begins):
            yield from ((heading, name) for name in re.findall("`([^`]+)`", spans[0]))


def anchors(text):
    """The anchors that GitHub gives to the document's headings; a set."""
    found = set()
    for line in _BLOCK.sub("", text).splitlines():
        if line.startswith("#"):
            said = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip())
            slug = re.sub(r"[^\w\- ]", "", said.lower()).replace(" ", "-")
            number = sum(
                re.fullmatch(rf"{re.escape(slug)}(-\d+)?", one) is not None for one in found
            )
            found.add(f"{slug}-{number}" if number else slug)
    return found


def links(text):
    """The targets of the document's links and pictures, without those on other hosts; a list."""
    # A span may have the signs of a link.
    said = re.sub(r"`[^`]*`", "", _BLOCK.sub("", text))
    found = re.findall(r"\]\(\s*([^)\s]+)\s*\)", said)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def commands(text):
    """The commands of the document's `sh` blocks, without their comments; a list."""
    return [
        line.partition("  #")[0].strip()
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]


def all_commands():
    """The commands of all documents, each once, sorted, without those of TOLD_ELSEWHERE."""
    texts = (text for name, text in DOCUMENTS.items() if name != TOLD_ELSEWHERE)
    return sorted({command for text in texts for command in commands(text)})
