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
# Made by scripts/deploy, which writes it anew: give it what is to be otherwise, by --define.
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
    """The names of the modules that are to be enabled. Raises CannotRun if one is not there."""
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


def enable(place, modules):
    """Enable the modules, as a2enmod does."""
    for name in modules:
        for end in ("load", "conf"):
            if (place.apache / "mods-available" / f"{name}.{end}").exists():
                link = place.apache / "mods-enabled" / f"{name}.{end}"
                link.symlink_to(f"../mods-available/{name}.{end}")


def disable(place, modules):
    """Disable the modules, as a2dismod does."""
    for name in modules:
        for end in ("load", "conf"):
            (place.apache / "mods-enabled" / f"{name}.{end}").unlink(missing_ok=True)


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
