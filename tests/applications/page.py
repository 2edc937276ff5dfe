"""docs/from-an-old-application.md, taken apart: its table, its code, its commands."""

import re

from scripts.lib.command import ROOT

PAGE = (ROOT / "docs" / "from-an-old-application.md").read_text()
_SPAN = re.compile("`([^`]+)`")


def rows():
    """The table's rows by their first cell: the code of each other cell, three lists."""
    found = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] != "What":
            found[cells[0]] = [_SPAN.findall(cell) for cell in cells[1:]]
    return found


def messages():
    """By row, what the table says is seen if an edit is forgotten: texts of several words."""
    said = {name: [one for one in row[2] if one.count(" ") > 1] for name, row in rows().items()}
    return {name: found for name, found in said.items() if found}


def blocks(language):
    """The code blocks in `language`, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def code():
    """All code of the page that says something: within the text, and the lines of its blocks."""
    within = _SPAN.findall(re.sub("(?s)```.*?```", "", PAGE))
    lines = [line for block in blocks("(?:python|css|js)") for line in block.splitlines()]
    return [one for one in [*within, *lines] if len(one.strip()) > 7]


def has(text, span):
    """Whether `text` has the code of `span`, in which … stands for anything."""
    words = " ".join(text.split())
    return all(" ".join(part.split()) in words for part in span.split("…"))
