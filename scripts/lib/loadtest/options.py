"""The command line of scripts/loadtest, read and checked."""

import argparse
import errno
import os
import socket
from pathlib import Path

from app.lab.modes import MODES
from scripts.lib.command import command_parser, site_address, site_path, whole_number
from scripts.lib.serving.databases import SERVERS

TOKEN = "SITE_API_TOKEN"
MOST_KEYS = 20_000
# On Locust's page the number of users can be raised.
USERS_ON_THE_PAGE = 1000


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    made = parser()
    options = made.parse_args(arguments)
    _check(made, options)
    return _completed(options)


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/loadtest",
        "Load the site by Locust and check every answer. Without --url it serves the site "
        "itself, on a new database; with --path or --locustfile your own application, on the "
        "database of its settings, to which its pages may write.",
    )
    add = made.add_argument
    add("--users", type=whole_number(1, 10_000), default=50, help="at a time (default 50)")
    add("--seconds", type=whole_number(1, 86_400), default=60, help="of load (default 60)")
    add("--workers", type=whole_number(0, 64), default=0, help="share the users (default none)")
    add("--url", type=site_address, help=f"a running site; the environment needs its {TOKEN}")
    add("--database", choices=("sqlite", *SERVERS), help="without --url (default sqlite)")
    add("--processes", type=whole_number(1, 64), help="of Apache, without --url (default 4)")
    add("--threads", type=whole_number(1, 128), help="of each process (default 4)")
    add("--listen", type=_place, metavar="HOST:PORT", help="let all --workers come from elsewhere")
    add(
        "--join",
        type=_place,
        metavar="HOST:PORT",
        help="be a worker of the load test that listens there",
    )
    add("--lab", choices=MODES, help="load this mode of the coherency lab instead")
    add("--path", type=site_path, action="append", metavar="/PATH", help="load this page of "
        "your application instead; can be given again")  # fmt: skip
    add("--locustfile", type=Path, metavar="FILE", help="load the site by the users of this file "
        "instead")  # fmt: skip
    add("--web", action="store_true", help="show Locust's own page, until Ctrl-C")
    add("--web-port", type=whole_number(1024, 65535), default=8089, help="its port (8089)")
    return made


def _check(parser, options):
    """End with status 2 and a message if options do not go together."""
    own = {"--database": options.database, "--processes": options.processes}
    own["--threads"] = options.threads
    for name, value in own.items():
        if options.url and value is not None:
            parser.error(f"argument {name}: the site at --url has its own; leave one out")
    _check_own(parser, options)
    if options.url and not (options.own or os.environ.get(TOKEN)):
        parser.error(f"{TOKEN} is not set: put the API token of the site at --url into it")
    if options.workers > options.users:
        parser.error("argument --workers: more than --users; give at most as many")
    for name, value in {"--listen": options.listen, "--join": options.join}.items():
        if value and not (options.url and options.workers):
            parser.error(f"argument {name}: needs --url and the number of all --workers")
    if options.join and (options.listen or options.web):
        parser.error("argument --join: the load test that is joined has --listen and --web")
    _check_ports(parser, options)


def _check_own(parser, options):
    """End with status 2 and a message if options of your own load do not go together."""
    options.own = bool(options.path or options.locustfile)
    if not options.own:
        return
    if bool(options.path) + bool(options.locustfile) + bool(options.lab) > 1:
        parser.error("arguments --path, --locustfile and --lab: each is a load; give one of them")
    if options.database:
        parser.error("argument --database: your own application uses that of DATABASE_URI")
    if options.locustfile and not options.locustfile.is_file():
        parser.error(f"argument --locustfile: there is no file {options.locustfile}")


def _check_ports(parser, options):
    """End with status 2 and a message if a port that Locust needs is taken."""
    for name, place in _places(options):
        try:
            socket.create_server(place).close()
        except OSError as error:
            # Locust may understand a name that is no host's, such as an interface's.
            if error.errno == errno.EADDRINUSE:
                parser.error(f"argument {name}: port {place[1]} is taken; choose another")


def _places(options):
    """The options that name where Locust listens, with the places, as (host, port)."""
    if options.listen:
        yield "--listen", options.listen
    if options.web:
        yield "--web-port", ("127.0.0.1", options.web_port)


def _place(text):
    host, colon, port = text.rpartition(":")
    if not (host and colon):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 10.0.0.1:5557")
    return host, whole_number(1024, 65535)(port)


def _completed(options):
    options.database = options.database or "sqlite"
    options.processes = options.processes or 4
    options.threads = options.threads or 4
    users = max(options.users, USERS_ON_THE_PAGE if options.web else 0)
    options.keys = min(MOST_KEYS, users + options.workers)
    return options
