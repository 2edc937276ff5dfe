"""A Content-Security-Policy: what it stops, as far as templates show it.

https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
"""

import re
from pathlib import Path

# A directive falls back to these, in this order; base-uri and form-action to none.
_FALLBACKS = {"script-src": ["default-src"], "style-src": ["default-src"]}
_FALLBACKS |= {name: ["default-src"] for name in ("img-src", "font-src", "media-src")}
_FALLBACKS |= {"object-src": ["default-src"], "frame-src": ["child-src", "default-src"]}
_SITE_CONF = re.compile(r'Define WEBPY_CSP "([^"]*)"')


def policy_of(site_conf: Path):
    """The text of the policy that the file apache/site.conf sends by default."""
    found = _SITE_CONF.search(site_conf.read_text())
    return found[1] if found else ""


class Policy:
    """A policy, given as the header's text."""

    def __init__(self, text):
        words = [part.split() for part in text.split(";")]
        self._directives = {name.lower(): sources for name, *sources in filter(None, words)}

    def _sources(self, directive):
        for name in (directive, *_FALLBACKS.get(directive, ())):
            if name in self._directives:
                return self._directives[name]
        return None

    def stops_inline(self, directive):
        """Whether scripts or styles within a page are stopped; nonces and hashes do not count."""
        sources = self._sources(directive)
        return sources is not None and "'unsafe-inline'" not in sources

    def stops(self, directive, address):
        """Whether `directive` stops a fetch from `address`, an absolute one."""
        sources = self._sources(directive)
        if sources is None:
            return False
        scheme = address.partition(":")[0].lower() if not address.startswith("//") else "https"
        host = re.sub(r"^([a-z]+:)?//", "", address.lower()).partition("/")[0]
        return not any(_allows(source.lower(), scheme, host) for source in sources)


def _allows(source, scheme, host):
    if source in ("*", f"{scheme}:"):
        return source != "*" or scheme in ("http", "https")
    wanted, _, rest = source.rpartition("://")
    if wanted and wanted != scheme:
        return False
    name = rest.partition("/")[0]
    if name.startswith("*."):
        return host.endswith(name[1:])
    return name == host
