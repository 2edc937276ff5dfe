"""The virtual host of a deployed site, and the modules that it needs, in Debian's layout."""

import os
import re

from scripts.lib.command import CannotRun
from scripts.lib.serving.serve import write_whole

NEEDED = ("wsgi", "headers", "reqtimeout", "alias", "mime")
FOR_TLS = ("ssl", "http2")
FOR_ACME = ("md",)
FOR_PROXIES = ("remoteip", "setenvif")
PACKAGES = {"wsgi": "libapache2-mod-wsgi-py3", "md": "libapache2-mod-md"}

TEXT = """\
# Written by scripts/deploy, which overwrites it: change it by scripts/deploy --define.
<IfDefine !{define}>
    Define {define} "{current}"
</IfDefine>
Define WEBPY_ROOT "${{{define}}}"
{defines}
Include "${{WEBPY_ROOT}}/apache/{file}"
UnDefine {define}
"""


def text(place, options, static):
    """The text of the virtual host's file.

    options: host, prefix, certificate, key, acme and define, as scripts/deploy remembers them.
    static: what WEBPY_STATIC is, with `current` in place of the release.
    """
    tls = options["certificate"] or options["acme"]
    values = {
        "WEBPY_NAME": place.name,
        "WEBPY_USER": place.user,
        "WEBPY_SERVER_NAME": options["host"],
        "WEBPY_PREFIX": options["prefix"],
        "WEBPY_STATIC": static,
    }
    if options["certificate"]:
        values["WEBPY_CERTIFICATE"] = options["certificate"]
        values["WEBPY_CERTIFICATE_KEY"] = options["key"]
    elif options["acme"]:
        values["WEBPY_ACME_CONTACT"] = options["acme"]
    values |= options["define"]
    return TEXT.format(
        define=place.define,
        current=place.current,
        defines="\n".join(f'Define {name} "{value}"' for name, value in values.items()),
        file="tls.conf" if tls else "site.conf",
    )


def missing_modules(place, options):
    """The names of the modules to enable. Raises CannotRun if one is not installed."""
    wanted = [*NEEDED]
    if options["certificate"] or options["acme"]:
        wanted += FOR_TLS
    if options["acme"]:
        wanted += FOR_ACME
    if "WEBPY_TRUSTED_PROXIES" in options["define"]:
        wanted += FOR_PROXIES
    found = []
    while wanted:
        name = wanted.pop(0)
        load = place.apache / "mods-available" / f"{name}.load"
        if name in found or (place.apache / "mods-enabled" / load.name).exists():
            continue
        if not load.exists():
            package = PACKAGES.get(name, "apache2")
            raise CannotRun(f"there is no {load}: as root run apt-get install {package}")
        found.append(name)
        wanted += re.findall(r"[\w]+", " ".join(re.findall("# Depends:(.*)", load.read_text())))
    return found


def missing_links(place, name):
    """The links by which a2enmod would enable the module `name`, without those that exist."""
    links = [place.apache / "mods-enabled" / f"{name}.{end}" for end in ("load", "conf")]
    return [
        link
        for link in links
        if (place.apache / "mods-available" / link.name).exists() and not os.path.lexists(link)
    ]


def enable(place, name):
    """Enable the module `name`, as a2enmod does."""
    for link in missing_links(place, name):
        link.symlink_to(f"../mods-available/{link.name}")


def disable(links):
    """Remove the `links` of modules."""
    for link in links:
        link.unlink(missing_ok=True)


def read(place):
    """The text of the virtual host's file, None where there is none, and whether it is enabled."""
    found = place.vhost.read_text() if place.vhost.exists() else None
    return found, os.path.lexists(place.link)


def put_back(place, state):
    """Put the virtual host back as it was when `read` returned `state`."""
    found, enabled = state
    if not enabled:
        place.link.unlink(missing_ok=True)
    if found is None:
        place.vhost.unlink(missing_ok=True)
    else:
        write_whole(place.vhost, found)
        place.vhost.chmod(0o644)


def write(place, content):
    """Write the virtual host's file and the link to it; returns whether one has changed."""
    is_same = place.vhost.exists() and place.vhost.read_text() == content
    if not is_same:
        write_whole(place.vhost, content)
        place.vhost.chmod(0o644)
    if os.path.lexists(place.link):
        return not is_same
    place.link.symlink_to(f"../sites-available/{place.vhost.name}")
    return True


def remove(place):
    """Remove the virtual host."""
    place.link.unlink(missing_ok=True)
    place.vhost.unlink(missing_ok=True)
