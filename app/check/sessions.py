"""Where the application stores web.py's sessions of its visitors."""

import ast
import os
from pathlib import Path

from app.check.findings import WARNING, WRONG, Finding
from app.check.reach import name_of
from app.check.values import UNKNOWN, argument

_IN_MODELS = "Store them in an SQLObject class, see app/transactions/README.md"
_TEXTS = {
    "MemoryStore": (
        WRONG,
        "stores sessions in the memory of one process, and the others do not know them: a visitor "
        f"would be logged out by chance. {_IN_MODELS}, or in a DiskStore",
    ),
    "ShelfStore": (
        WRONG,
        "stores sessions in a shelf, which is for one process: the others cannot open it, or "
        f"damage it. {_IN_MODELS}, or in a DiskStore",
    ),
    "DiskStore": (
        WARNING,
        "stores sessions in files, which are written once after the request and are no part of "
        "its transaction: of two requests of one visitor at a time the later one's stay, and no "
        f"other host has them. {_IN_MODELS}, unless you intend that",
    ),
    "DBStore": (
        WARNING,
        "stores sessions by a connection of web.py's own, which are written once after the "
        "request and are no part of its transaction: of two requests of one visitor at a time the "
        f"later one's stay. {_IN_MODELS}, unless you intend that",
    ),
}


def findings(sources):
    """Yield a Finding for each store of sessions that the Sources create."""
    for source in sources:
        for node in ast.walk(source.tree):
            name = isinstance(node, ast.Call) and name_of(node.func)
            if name not in _TEXTS:
                continue
            place = str(source.path), node.lineno
            if name == "DiskStore" and (closed := _closed_folder(node, source)):
                text = (
                    f"stores sessions in {closed}, which this user cannot write, so that none is "
                    f"stored: create it, and give it to the daemons' user: chown www-data {closed}"
                )
                yield Finding(WRONG, text, *place)
            else:
                yield Finding(*_TEXTS[name], *place)


def _closed_folder(call, source):
    """The folder of a DiskStore where sessions cannot be written, or None."""
    folder = argument(call, 0, "root", source=source)
    if folder is UNKNOWN or not isinstance(folder, (str, os.PathLike)):
        return None
    folder = Path(folder).absolute()
    there = folder if folder.exists() else folder.parent
    return None if os.access(there, os.W_OK | os.X_OK) else folder
