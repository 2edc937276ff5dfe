"""Answers requests in one mode in its own process, and tells what became of SQLObject.

    python tests/unit/look.py lab|benchmark|nothing|site MODE URI

Prints as JSON the statuses of the answers, the modules of app.transactions that were imported, and
the names of functions from app/ that are in a module or a class of SQLObject's.
"""

import inspect
import json
import os
import sys

import web

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)
web.config.debug = False
TOKEN = "the-token-of-these-tests"


def lab(mode, uri):
    """Reset, write and read keys of the lab; the last one is missing."""
    from app.lab.modes import application

    bundle = None
    if mode == "bundle":
        from app.transactions import transaction_per_request

        bundle = transaction_per_request(uri)
    site = application(mode, uri, bundle)
    yield site.request(f"/lab/{mode}/reset", **_json({"keys": 2, "value": 0}))
    for operations in [["write", 1, 7], ["read", 1]], [["read", 9]]:
        yield site.request(f"/lab/{mode}/transactions", **_json({"operations": operations}))
    yield site.request(f"/lab/{mode}/keys?ids=1")


def _json(value):
    text = json.dumps(value)
    env = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(text))}
    env |= {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}
    return {"method": "POST", "data": text, "env": env}


def benchmark(mode, uri):
    """Ask for each page of the benchmark; `bare` has only one, without a database."""
    [folder] = [
        place for place, _, files in os.walk(f"{ROOT}/scripts") if "benchmark_site.py" in files
    ]
    sys.path.insert(0, folder)
    os.environ["BENCHMARK_MODE"] = mode
    from benchmark_site import make_app, make_database

    make_database(uri)
    site = make_app(mode, uri)
    yield site.request("/empty")
    if mode != "bare":
        for path in ("/row", "/any", "/twenty", "/list"):
            yield site.request(path)
        yield site.request("/write", "POST")


def nothing(_mode, _uri):
    """Import all that the lab's modes share with the site."""
    import app.api
    import app.lab.handlers
    import app.lab.page
    import app.pages
    import app.users  # noqa: F401

    return []


def site(_mode, _uri):
    """Create the site, as app.wsgi and the recipe's interpreter do."""
    namespace = {}
    exec("from app.models import *\nfrom app import *\nload_sqlo()\napp", namespace)
    yield namespace["app"].request("/nothing")


def changed():
    """Yield the names of functions in SQLObject's modules and classes that are not SQLObject's."""
    for place, module in list(sys.modules.items()):
        if place.partition(".")[0] != "sqlobject":
            continue
        classes = [found for _, found in inspect.getmembers(module, inspect.isclass)]
        for owner in [module, *(one for one in classes if one.__module__.startswith("sqlobject"))]:
            for name, value in list(vars(owner).items()):
                value = getattr(value, "__func__", getattr(value, "fget", value))
                code = getattr(value, "__code__", None)
                if code and code.co_filename.startswith(f"{ROOT}/app/"):
                    yield f"{owner.__name__}.{name}"


def main(what, mode, uri):
    """Do what the module's docstring says."""
    answers = [answer.status[:3] for answer in globals()[what](mode, uri)]
    modules = [name for name in sys.modules if name.startswith("app.transactions")]
    print(json.dumps({"answers": answers, "modules": modules, "changed": sorted(set(changed()))}))


main(*sys.argv[1:])
