"""wsgi/app.wsgi: what goes wrong in the application leaves a full traceback in the error log."""

import shutil
import sys

import httpx
import pytest

from scripts.lib.command import ROOT
from tests.apache.server import apache, debian_module, pypi_module

PACKAGE = '''
"""An application whose handlers fail."""

import web

from app import pages

app = web.application(("/raise", pages.Raise, "/stream", pages.Stream))
application = app.wsgifunc()
'''

PAGES = '''
"""Handlers that fail."""


def deep():
    raise LookupError("a handler's failure")


class Raise:
    def GET(self):
        deep()


class Stream:
    def GET(self):
        yield b"begun"
        deep()
'''

MODULES = pytest.mark.parametrize("module", [pypi_module, debian_module], ids=["own", "Debian"])


def application(folder, pages):
    """A folder with the shipped app.wsgi and an app package with these `pages`."""
    (folder / "wsgi").mkdir()
    shutil.copy(ROOT / "wsgi" / "app.wsgi", folder / "wsgi")
    (folder / "app").mkdir()
    shutil.copy(ROOT / "app" / "settings.py", folder / "app")
    shutil.copytree(ROOT / "app" / "web", folder / "app" / "web")
    for name, text in (("__init__", PACKAGE), ("pages", pages)):
        (folder / "app" / f"{name}.py").write_text(text)
    return folder


def traceback_in(log, *lines):
    """Whether the log has a traceback with these pieces in this order."""
    places = [log.find("Traceback (most recent call last)")]
    for line in lines:
        places.append(log.find(line, max(places[-1], 0)))
    return -1 not in places


@MODULES
def test_failing_import_leaves_a_full_traceback(tmp_path, module):
    pages = "def deep():\n    import no_such_module\n\n\ndeep()\n"
    with apache(app_root=application(tmp_path, pages), module=module()) as site:
        assert httpx.get(site.url + "/raise").status_code == 500
        log = site.error_log()
    assert traceback_in(
        log,
        'wsgi/app.wsgi", line',
        'app/__init__.py", line 6',
        'app/pages.py", line 5',
        "in deep",
        "ModuleNotFoundError: No module named 'no_such_module'",
    )


@MODULES
@pytest.mark.parametrize("path", ["/raise", "/stream"])
def test_uncaught_exception_leaves_a_full_traceback(tmp_path, module, path):
    with apache(app_root=application(tmp_path, PAGES), module=module()) as site:
        try:
            httpx.get(site.url + path)
        except httpx.RemoteProtocolError:
            assert path == "/stream"
        log = site.error_log()
    assert traceback_in(
        log, 'app/pages.py", line', "in GET", "in deep", "LookupError: a handler's failure"
    )


def test_without_the_entry_script_the_frames_are_lost_on_python_3_11(tmp_path):
    """app.wsgi cures this fault. Later Pythons keep an exception's frames by themselves."""
    root = application(tmp_path, PAGES)
    (root / "wsgi" / "app.wsgi").write_text("def deep():\n    import no_such_module\n\n\ndeep()\n")
    with apache(app_root=root) as site:
        httpx.get(site.url + "/")
        log = site.error_log()
    assert "No module named 'no_such_module'" in log
    assert ("in deep" in log) == (sys.version_info >= (3, 12))
