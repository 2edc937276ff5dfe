"""Finds what an old application's source has left of its own transactions."""

import ast

from app.check.findings import WARNING, WRONG, Finding
from app.check.reach import name_of, nodes_with_function

_THREAD = (
    "sets sqlhub.threadConnection in a request, whose transaction load_sqlo has opened: remove "
    "the hook that does so, and its add_processor"
)
_THREAD_ELSEWHERE = (
    "sets sqlhub.threadConnection: have a thread or a script run in in_transaction(), and remove "
    "this where a request executes it"
)
_PROCESS = (
    "sets sqlhub.processConnection in a request, and with it what the process uses outside of "
    "requests: remove it, because load_sqlo has set the site's"
)
_PROCESS_AT_IMPORT = (
    "sets sqlhub.processConnection, which the bundle replaces by the site's: remove it, because "
    "DATABASE_URI names the site's database"
)
_DO_IN_TRANSACTION = (
    "calls doInTransaction in a request, which is refused, because the request has a transaction: "
    "call the function itself, inside `with savepoint():` where it may fail alone"
)
_TRANSACTION = (
    "calls transaction() in a request, which is refused, because the request has one already: "
    "write `with savepoint():` for what may fail alone, on_commit() for what comes after it"
)
_LOADHOOK = (
    "has load_sqlo as a load hook; the bundle puts its own around the whole request: remove the "
    "line"
)
_RECIPE = (
    "adds the application's own load_sqlo; the bundle puts its own around the whole request: "
    "remove the line"
)
_RECIPES_FUNCTION = (
    "is the application's own load_sqlo; the bundle puts its own around the whole request: "
    "remove the function"
)
_AUTORELOAD = (
    "turns web.py's autoreload on, which in a daemon defines classes a second time: leave out "
    "autoreload=True; scripts/reload takes up changed code"
)


def findings(sources, reached, webpy_connections=frozenset()):
    """Yield the Findings in the Sources; `reached`: the functions that a request runs.

    `webpy_connections`: names of connections of web.database(), which have a transaction() too.
    """
    for source in sources:
        for node, function in nodes_with_function(source.tree):
            told = None
            if is_recipe(node) and node in reached:
                told = WRONG, _RECIPES_FUNCTION
            elif not is_recipe(function):
                told = _told_of_target(node, function, reached)
                if not told and isinstance(node, ast.Call):
                    told = _told_of_call(node, source, function in reached, webpy_connections)
            if told:
                yield Finding(*told, str(source.path), node.lineno)


def is_recipe(node):
    """Whether a node is the function of the published recipe, which must be removed."""
    return isinstance(node, ast.FunctionDef) and node.name == "load_sqlo"


def _told_of_target(node, function, reached):
    """The level and text for a statement that sets a connection of sqlhub's, or None."""
    if isinstance(node, (ast.Assign, ast.Delete)):
        targets = node.targets
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        targets = [node.target]
    else:
        return None
    names = {target.attr for target in targets if isinstance(target, ast.Attribute)}
    if "threadConnection" in names:
        return (WRONG, _THREAD) if function in reached else (WARNING, _THREAD_ELSEWHERE)
    if "processConnection" in names and function in reached:
        return WARNING, _PROCESS
    if "processConnection" in names and function is None:
        return WARNING, _PROCESS_AT_IMPORT
    return None


def _told_of_call(node, source, in_request, webpy_connections):
    name = name_of(node.func)
    if name == "doInTransaction" and in_request:
        return WRONG, _DO_IN_TRANSACTION
    begins = name == "transaction" and isinstance(node.func, ast.Attribute) and not node.args
    if begins and in_request and name_of(node.func.value) not in webpy_connections:
        return WRONG, _TRANSACTION
    if name in ("loadhook", "add_processor") and node.args:
        return _told_of_hook(name, name_of(node.args[0]), source)
    if name == "application" and any(
        one.arg == "autoreload" and isinstance(one.value, ast.Constant) and one.value.value
        for one in node.keywords
    ):
        return WRONG, _AUTORELOAD
    return None


def _told_of_hook(name, given, source):
    """For web.loadhook(load_sqlo) and add_processor(load_sqlo)."""
    if given != "load_sqlo":
        return None
    if source.imported.get(given) == "app.load_sqlo":
        return (WARNING, _LOADHOOK) if name == "loadhook" else None
    return WRONG, _RECIPE
