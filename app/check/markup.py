"""Finds markup in Python code that the Content-Security-Policy stops."""

import ast
import re

from app.check.findings import WRONG, Finding
from app.check.reach import name_of
from app.check.templates import stopped

_MAY_BE_STOPPED = re.compile(
    r"<(script|style)\b|<\w+[^>]*\s(on[a-z]+|style)\s*=|=\s*[\"']?javascript:", re.IGNORECASE
)
# Classes of web.form, whose keywords become attributes.
_INPUTS = {"Button", "Checkbox", "Dropdown", "File", "GroupedDropdown", "Hidden", "Password"}
_INPUTS |= {"Radio", "Textarea", "Textbox"}


def findings(sources, policy):
    """Yield the Findings in the Sources' texts and forms; `policy`: the Policy that is sent."""
    for source in sources:
        for node in ast.walk(source.tree):
            for line, what in _stopped(node, policy):
                yield Finding(WRONG, what, str(source.path), line)


def _stopped(node, policy):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if _MAY_BE_STOPPED.search(node.value):
            # Only in a text without escapes the lines are those of the file.
            as_written = node.end_lineno - node.lineno == node.value.count("\n")
            for line, what in stopped(node.value, policy):
                yield node.lineno + (line - 1 if as_written else 0), what
    elif isinstance(node, ast.Call) and name_of(node.func) in _INPUTS:
        for one in node.keywords:
            if re.fullmatch("on[a-z]+|style", one.arg or ""):
                tag = f'<input {one.arg}="">'
                yield from ((node.lineno, what) for _, what in stopped(tag, policy))
