"""Which functions of the application a request runs: its handlers, its hooks, what they call."""

import ast
from collections import defaultdict

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
HOOKS = {"loadhook", "unloadhook", "add_processor"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def name_of(node):
    """The last name in a dotted expression, such as `connect` of `sqlite3.connect`, or None."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def reached(sources):
    """Return the nodes of all functions that a request may run, a set.

    It goes by names, which several functions may share. So it may return too many.
    """
    nodes = [node for source in sources for node in ast.walk(source.tree)]
    functions, methods = _by_name(nodes)
    modules = {name for source in sources for name in source.imported}
    waiting = [one for name in METHODS for one in methods[name]]
    waiting += [one for name in _hooks(nodes) for one in functions[name]]
    found = set()
    while waiting:
        function = waiting.pop()
        if function not in found:
            found.add(function)
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                waiting += _called(call.func, functions, methods, modules)
    return found


def _by_name(nodes):
    """({name: functions}, {name: methods of classes}) of the nodes."""
    functions, methods = defaultdict(set), defaultdict(set)
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            for one in node.body:
                if isinstance(one, FUNCTIONS):
                    methods[one.name].add(one)
    for node in nodes:
        if isinstance(node, FUNCTIONS) and node not in methods[node.name]:
            functions[node.name].add(node)
    return functions, methods


def _hooks(nodes):
    """The names that are given to web.loadhook and the like."""
    calls = (node for node in nodes if isinstance(node, ast.Call))
    return {
        name_of(argument)
        for call in calls
        if name_of(call.func) in HOOKS
        for argument in call.args
    }


def _called(function, functions, methods, modules):
    if isinstance(function, ast.Name):
        return functions[function.id]
    if isinstance(function, ast.Attribute):
        if isinstance(function.value, ast.Name) and function.value.id in modules:
            # A function of an imported module, or a method of a class.
            return functions[function.attr] | methods[function.attr]
        return methods[function.attr]
    return ()


def nodes_with_function(tree):
    """Yield each node of a tree with the innermost function that it is in, or None."""
    waiting = [(tree, None)]
    while waiting:
        node, function = waiting.pop()
        yield node, function
        inner = node if isinstance(node, FUNCTIONS) else function
        waiting += [(child, inner) for child in ast.iter_child_nodes(node)]
