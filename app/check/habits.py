"""What handlers of an old application do that must be done otherwise in a transaction."""

import ast

from app.check.findings import WARNING, WRONG, Finding
from app.check.hooks import is_recipe
from app.check.reach import name_of, nodes_with_function

_ENDS = {
    "commit": "leave it out, because the request is committed when it ends",
    "rollback": "call doom(), which has the request rolled back when it ends",
}
_CAUGHT = (
    "catches {} outside of savepoint(), and a writing request that goes on after it is answered "
    "500: put `with savepoint():` around what may fail, inside of `try:`"
)
_STARTED = (
    "starts a thread in a request, which begins before the commit, once in each run: give its "
    "start to on_commit()"
)
_REDIRECTS = {"seeother", "found", "redirect", "tempredirect"}


def findings(sources, reached):
    """Yield the Findings in the Sources; `reached`: the functions that a request runs."""
    for source in sources:
        for node, function in nodes_with_function(source.tree):
            if function in reached and not is_recipe(function) and (told := _told(node)):
                yield Finding(*told, str(source.path), node.lineno)


def _told(node):
    if isinstance(node, ast.Try):
        names = [name for handler in node.handlers for name in _swallowed(handler)]
        if names and not any(map(_is_savepoint, ast.walk(node))):
            return WARNING, _CAUGHT.format(" and ".join(names))
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    used = node.func.value
    if node.func.attr in _ENDS and _is_connection(used):
        called = node.func.attr
        return WRONG, f"calls {called}() in a request, which is refused: {_ENDS[called]}"
    if node.func.attr == "start" and isinstance(used, ast.Call) and name_of(used.func) == "Thread":
        return WARNING, _STARTED
    return None


def _swallowed(handler):
    """The names of the database errors that a handler of a `try` catches so that work goes on."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise):
        raised = last.exc.func if isinstance(last.exc, ast.Call) else last.exc
        if name_of(raised) not in _REDIRECTS:
            return
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    for name in map(name_of, caught):
        if name in ("DuplicateEntryError", "IntegrityError"):
            yield name


def _is_savepoint(node):
    return isinstance(node, ast.Call) and name_of(node.func) == "savepoint"


def _is_connection(node):
    if isinstance(node, ast.Call):
        return name_of(node.func) == "getConnection"
    return name_of(node) in ("threadConnection", "processConnection")
