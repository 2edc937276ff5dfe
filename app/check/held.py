"""What the application holds in its modules: instances, classes with a connection, debug mode."""

import ast

import web
from sqlobject import SQLObject

from app.check.findings import WARNING, WRONG, Finding
from app.check.models import file_of, models
from app.check.reach import FUNCTIONS, name_of, nodes_with_function
from app.check.sources import is_own

_INSTANCE = (
    "{} holds an instance of {} for all requests, which asks the database for each of its values "
    "at each use: read it in each request, which the kept rows make cheap"
)
_ASSIGNED = (
    "{} holds what one request has read for all others: an instance raises OutsideItsRequest in "
    "them, a value grows old. Read it in each request, which the kept rows make cheap"
)
_CONNECTION = (
    "{} has a connection of its own to {}, past the transactions of requests: remove "
    "`_connection = …` or setConnection(…)"
)
_DEBUG = (
    "web.config.debug is on, which shows the source of each error to the client and reloads "
    "modules in the daemons: remove the line, or write False"
)
_READS = ("get", "select", "selectBy", "selectFirst")


def findings(sources, engine):
    """Return the Findings of what the imported modules hold, and what functions store there."""
    return [
        *_instances(sources),
        *_assigned(sources),
        *_classes(sources, engine),
        *_tables(sources),
    ]


def _instances(sources):
    found = {}
    for source in sources:
        for name, value in list(vars(source.module).items()) if source.module else ():
            instance = next((one for one in _within(value) if isinstance(one, SQLObject)), None)
            if instance is not None:
                line = _line_that_binds(source.tree, name)
                text = _INSTANCE.format(name, type(instance).__name__)
                told = Finding(WARNING, text, str(source.path), line)
                # It is reported where it is created, not where it is imported.
                if line or id(value) not in found:
                    found[id(value)] = told
    return found.values()


def _within(value):
    """The value itself and, one level deep, the members of a container or a class."""
    yield value
    if isinstance(value, dict):
        yield from [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    elif isinstance(value, type) and is_own(file_of(value) or ""):
        yield from list(vars(value).values())


def _line_that_binds(tree, name):
    """The line of the module's own statement that binds its `name`, or None."""
    for node, function in nodes_with_function(tree):
        if function is not None:
            continue
        if isinstance(node, ast.Assign) and name in map(name_of, node.targets):
            return node.lineno
        if isinstance(node, (ast.AnnAssign, ast.AugAssign)) and name_of(node.target) == name:
            return node.lineno
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node.lineno
    return None


def _assigned(sources):
    """Yield a Finding for each function that reads by a model's class into a global name."""
    names = _model_names(sources)
    for source in sources:
        for function in ast.walk(source.tree):
            if not isinstance(function, FUNCTIONS):
                continue
            global_names = {
                name
                for node in ast.walk(function)
                if isinstance(node, ast.Global)
                for name in node.names
            }
            for node in ast.walk(function) if global_names else ():
                if not isinstance(node, ast.Assign):
                    continue
                if global_names.isdisjoint(map(name_of, node.targets)):
                    continue
                if any(_reads(part, names) for part in ast.walk(node.value)):
                    text = _ASSIGNED.format(name_of(node.targets[0]))
                    yield Finding(WRONG, text, str(source.path), node.lineno)


def _model_names(sources):
    """The names of the SQLObject classes, by the names of their bases."""
    bases = {
        node.name: set(map(name_of, node.bases))
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"SQLObject", "InheritableSQLObject"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def _reads(node, names):
    if not isinstance(node, ast.Call):
        return False
    if name_of(node.func) in names:
        return True
    by = isinstance(node.func, ast.Attribute) and name_of(node.func.value) in names
    return by and (node.func.attr in _READS or node.func.attr.startswith("by"))


def _classes(sources, engine):
    from app.transactions.bypass import classes_with_connection

    for cls, of_site in classes_with_connection(engine):
        file = file_of(cls)
        source = next((one for one in sources if str(one.path) == file), None)
        line = _line_of_connection(source.tree, cls.__name__) if source else None
        where = "the site's database" if of_site else "another database"
        yield Finding(
            WRONG if of_site else WARNING,
            _CONNECTION.format(cls.__name__, where),
            file,
            line,
        )


def _tables(sources):
    """Yield a Finding for two classes of one table: in a request each has other instances."""
    first = {}
    for model in models():
        table = str(model.sqlmeta.table).lower()
        other = first.setdefault(table, model)
        if other is not model:
            source = next((one for one in sources if str(one.path) == file_of(model)), None)
            yield Finding(
                WARNING,
                f"{model.__name__} has the table {table} of {other.__module__}.{other.__name__} "
                "too: in one request an instance of one does not show what the other has changed: "
                "use one class",
                file_of(model),
                _line_that_binds(source.tree, model.__name__) if source else None,
            )


def _line_of_connection(tree, name):
    found = None
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            found = found or node.lineno
            for one in node.body:
                if isinstance(one, ast.Assign) and "_connection" in map(name_of, one.targets):
                    return one.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{name}.setConnection":
            return node.lineno
    return found


def debug(sources):
    """Return the Findings of the lines that turn web.py's debug mode on, if it is on."""
    if not web.config.get("debug"):
        return []
    return [
        Finding(WRONG, _DEBUG, str(source.path), node.lineno)
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign) and any(map(_is_debug, node.targets))
        if isinstance(node.value, ast.Constant) and node.value.value
    ] or [Finding(WRONG, _DEBUG)]


def _is_debug(target):
    return ast.unparse(target) in (
        "web.config.debug",
        "config.debug",
        "web.webapi.config.debug",
        "web.config['debug']",
    )
