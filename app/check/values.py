"""The value of a simple expression of the application, found without calling its functions."""

import ast
import os
from pathlib import Path

UNKNOWN = object()
_CALLS = {
    "os.path.join": os.path.join,
    "os.path.dirname": os.path.dirname,
    "os.path.abspath": os.path.abspath,
    "os.path.realpath": os.path.realpath,
    "os.getenv": os.getenv,
    "os.environ.get": os.environ.get,
    "str": str,
    "Path": Path,
    "pathlib.Path": Path,
}
_NODES = (ast.Expression, ast.Constant, ast.Name, ast.Attribute, ast.BinOp, ast.JoinedStr)
_NODES += (ast.FormattedValue, ast.Add, ast.Div, ast.Mod, ast.Load, ast.Tuple, ast.Subscript)


def value_of(node, source):
    """The value of an expression's node in the module of its Source, or UNKNOWN."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            if ast.unparse(part.func) not in _CALLS:
                return UNKNOWN
        elif not isinstance(part, (*_NODES, ast.keyword)):
            return UNKNOWN
    names = {"os": os, "__file__": str(source.path), "Path": Path}
    names |= vars(source.module) if source.module else {}
    try:
        # Code of the application, which was imported before.
        return eval(compile(ast.Expression(node), str(source.path), "eval"), names)  # nosec B307
    except Exception:
        return UNKNOWN


def argument(call, position, *names, source):
    """The value of a call's argument, by its position or one of its names, or UNKNOWN."""
    for keyword in call.keywords:
        if keyword.arg in names:
            return value_of(keyword.value, source)
    if position is not None and len(call.args) > position:
        return value_of(call.args[position], source)
    return UNKNOWN
