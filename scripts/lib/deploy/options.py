"""The options of scripts/deploy, and those of the virtual host that it remembers."""

import argparse
import os
import re
from pathlib import Path

from scripts.lib.command import CannotRun, command_parser, mount_path
from scripts.lib.serving.daemons import LONGEST_TITLE

REMEMBERED = ("host", "prefix", "certificate", "key", "acme", "define")


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/deploy",
        "Put the commit that is checked out into Debian's Apache as a release, and "
        "serve it without losing a request. Options of the virtual host are remembered. Exit "
        "status 1: the new release is not good, and the earlier one goes on.",
    )
    what = made.add_mutually_exclusive_group()
    what.add_argument("--rollback", action="store_true", help="serve the release before")
    what.add_argument("--uninstall", action="store_true", help="remove all but the settings, the "
        "data, the user and Apache's modules")  # fmt: skip
    add = made.add_argument
    add("--dry-run", action="store_true", help="only tell what would be done")
    add("--host", type=_host, help="the name that the site answers to; needed once")
    add("--prefix", type=mount_path, help="where it is mounted, such as /wiki (default /)")
    add("--certificate", type=_file, metavar="FILE", help="serve HTTPS: the certificate with its "
        "chain, PEM")  # fmt: skip
    add("--key", type=_file, metavar="FILE", help="the certificate's key")
    add("--acme", metavar="ADDRESS", help="serve HTTPS with a certificate that mod_md fetches; "
        "the mail address for its authority")  # fmt: skip
    add("--define", type=_define, action="append", metavar="NAME=VALUE", help="a Define of "
        "apache/site.conf, such as WEBPY_PROCESSES=4")  # fmt: skip
    add("--restart", action="store_true", help="let Apache read a changed configuration at once: "
        "a graceful restart, which cuts requests of more than 3 s")  # fmt: skip
    add("--name", type=_name, default="webpy-site", help="of the virtual host and the daemons "
        "(default webpy-site)")  # fmt: skip
    add("--home", type=Path, metavar="DIR", help="where the site is (default /srv/NAME)")
    add("--user", type=_name, help="the daemons' user (default NAME)")
    add("--apache-dir", type=Path, default=Path("/etc/apache2"), metavar="DIR", help="Apache's "
        "configuration (default /etc/apache2)")  # fmt: skip
    add("--pid-file", type=Path, default=Path("/run/apache2/apache2.pid"), metavar="FILE",
        help="Apache's (default /run/apache2/apache2.pid)")  # fmt: skip
    return made


def _name(text):
    if not re.fullmatch("[a-z][a-z0-9_-]*", text) or len(f"(wsgi:{text})") > LONGEST_TITLE:
        raise argparse.ArgumentTypeError(f"is {text!r}: write up to 10 of a-z, 0-9, - and _")
    return text


def _host(text):
    if not re.fullmatch("[A-Za-z0-9.-]+", text):
        raise argparse.ArgumentTypeError(f"is {text!r}: write a name such as site.example.org")
    return text


def _file(text):
    if not os.path.isfile(text):
        raise argparse.ArgumentTypeError(f"is {text!r}: there is no such file")
    return os.path.abspath(text)


def _define(text):
    found = re.fullmatch(r'(WEBPY_[A-Z_]+)=([^"\n]+)', text)
    if not found:
        raise argparse.ArgumentTypeError(f"is {text!r}: write one such as WEBPY_PROCESSES=4")
    return found[1], found[2]


def merged(options, memory):
    """The options of the virtual host: those given now, or those remembered."""
    found = {"prefix": "/", "define": {}} | (memory.options if memory else {})
    given = {name: getattr(options, name) for name in REMEMBERED}
    given["define"] = found["define"] | dict(options.define or ())
    found |= {name: value for name, value in given.items() if value is not None}
    found = {name: found.get(name) for name in REMEMBERED}
    if not found["host"]:
        raise CannotRun("name what the site answers to: --host site.example.org")
    if options.certificate:
        found["acme"] = None
    if options.acme:
        found["certificate"] = found["key"] = None
    if bool(found["certificate"]) != bool(found["key"]):
        raise CannotRun("--certificate and --key belong together: give both")
    return found
