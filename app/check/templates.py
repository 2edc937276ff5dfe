"""Finds in templates what the Content-Security-Policy stops, and links without the prefix."""

import gc
import re
from html.parser import HTMLParser
from pathlib import Path

import web

from app.check.findings import WARNING, WRONG, Finding
from app.check.sources import is_own
from app.settings import ROOT, settings

_CURE = "or allow it by the Define WEBPY_CSP"
# The browser does not run scripts of these types.
_DATA = re.compile(r"(application|text)/(?!javascript|ecmascript|x-javascript)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"([a-z][a-z0-9+.-]*:)?//|data:", re.IGNORECASE)
_FETCHES = {
    ("script", "src"): "script-src",
    ("img", "src"): "img-src",
    ("iframe", "src"): "frame-src",
    ("object", "data"): "object-src",
    ("embed", "src"): "object-src",
    ("video", "src"): "media-src",
    ("audio", "src"): "media-src",
    ("form", "action"): "form-action",
    ("base", "href"): "base-uri",
}
_LINKS = ("href", "src", "action")
_MOST = 1_000_000


def templates():
    """Return the paths of the application's templates, sorted."""
    folders = {Path(one._loc).absolute() for one in gc.get_objects() if _is_render(one)}
    if settings.path:
        folders |= {path for path in settings.path.glob("**/templates") if path.is_dir()}
    if not settings.application:
        folders.add(ROOT / "app" / "templates")
    return sorted(
        path
        for path in {path for folder in folders for path in folder.rglob("*")}
        if path.is_file() and not _left_out(path)
    )


def _is_render(value):
    # isinstance() would ask proxies for their __class__.
    return type(value) is web.template.Render


def _left_out(path):
    parts = path.parts
    hidden = any(part.startswith((".", "__")) for part in parts[1:]) or path.name.endswith("~")
    other = "site-packages" in parts or path.suffix in (".py", ".pyc", ".js", ".css")
    if settings.application is None:
        return hidden or other or not is_own(str(path))
    return hidden or other or path.stat().st_size > _MOST


def findings(paths, policy):
    """Yield the Findings in the templates at `paths`; `policy`: the Policy that is sent."""
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            yield Finding(WRONG, f"cannot be read: {error}: make it UTF-8, chmod o+r", str(path))
            continue
        looked = _looked(text, policy)
        for line, what in looked.stopped:
            yield Finding(WRONG, what, str(path), line)
        if looked.absolute:
            (line, first), count = looked.absolute[0], len(looked.absolute)
            yield Finding(
                WARNING,
                f"{count} link{'s' if count > 1 else ''} such as {first} would miss a prefix "
                "under which the site is mounted: write $ctx.homepath before the slash, in a "
                "sub-application $ctx.realhome",
                str(path),
                line,
            )


def stopped(text, policy):
    """Return (line, text) of each part of the markup `text` that the Policy stops."""
    return _looked(text, policy).stopped


def _looked(text, policy):
    looked = _Looked(policy)
    looked.feed(text)
    looked.close()
    return looked


class _Looked(HTMLParser):
    """`stopped`: (line, text) of what the policy stops; `absolute`: (line, link) of the rest."""

    def __init__(self, policy):
        super().__init__()
        self.policy = policy
        self.stopped = []
        self.absolute = []

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        if tag == "script" and "src" not in given and not _DATA.match(given.get("type", "")):
            self._inline("script-src", "an inline <script>: put it into a file of static/")
        if tag == "style":
            self._inline("style-src", "an inline <style>: put it into a file of static/")
        for name, value in given.items():
            self._look_at(tag, name, value, given)

    handle_startendtag = handle_starttag

    def _look_at(self, tag, name, value, given):
        if name == "style":
            self._inline("style-src", f"style= on <{tag}>: give it a class, and the style a file")
        elif re.fullmatch("on[a-z]+", name):
            cure = "add the listener in a file of static/"
            self._inline("script-src", f"{name}= on <{tag}>: {cure}")
        elif value.lower().lstrip().startswith("javascript:"):
            self._inline("script-src", f"{name}=javascript: on <{tag}>: use a button and a file")
        elif name in _LINKS and re.match("/(?!/)", value):
            self.absolute.append((self.getpos()[0], f'{name}="{value}"'))
        directive = _FETCHES.get((tag, name))
        if tag == "link" and name == "href" and "stylesheet" in given.get("rel", "").lower():
            directive = "style-src"
        if directive and _ABSOLUTE.match(value) and self.policy.stops(directive, value):
            self._stop(f"{name}={value} on <{tag}>, by {directive}: put it into static/")

    def _inline(self, directive, what):
        if self.policy.stops_inline(directive):
            self._stop(what)

    def _stop(self, what):
        text = f"the Content-Security-Policy stops {what}, {_CURE}"
        self.stopped.append((self.getpos()[0], text))
