"""What your Apache says of the site: its daemons' Python, home, locale and user."""

import math
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from app.check.findings import OK, WRONG, Finding
from scripts.lib.check.addresses import certificates, names
from scripts.lib.command import ROOT, CannotRun
from scripts.lib.serving.apache import find_apache
from scripts.lib.serving.daemons import LONGEST_TITLE
from scripts.lib.serving.user import DAEMON_USER

LOCALE = "C.UTF-8"
MOD_INFO = "/usr/lib/apache2/modules/mod_info.so"
ENTRY = ROOT / "wsgi" / "app.wsgi"


class Directive(NamedTuple):
    """A line of the configuration with its Defines replaced: its words, and where it stands."""

    words: list
    file: str
    line: int


class Apache(NamedTuple):
    """An Apache that serves the site, as its configuration says.

    name, user: of the site's process group. options: those of its WSGIDaemonProcess. policy: the
    Content-Security-Policy, or None. module: the path of mod_wsgi. file, line: where the process
    group stands. found: Findings that only the user who starts Apache can make.
    """

    name: str
    user: str
    options: dict
    policy: str | None
    module: Path
    file: str
    line: int
    found: list


def read_apache(configuration, defines=()):
    """Return the Apache whose main configuration file is `configuration`.

    defines: pairs of name and value of further Defines, set before the file is read. Raises
    CannotRun if Apache refuses the file, or does not serve this checkout by it.
    """
    found = directives(configuration, defines)
    ours = [one for one in found if one.words[0] == "WSGIScriptAlias" and _is(one.words[2], ENTRY)]
    if not ours:
        raise CannotRun(
            f"{configuration} does not serve {ENTRY}: include {ROOT}/apache/site.conf in it, with "
            f"WEBPY_ROOT {ROOT}"
        )
    alias = ours[0]
    named = [
        one.words[1]
        for one in found
        if one.words[0] == "WSGIProcessGroup" and one.file == alias.file
    ]
    name = next(iter(named), None)
    groups = [one for one in found if one.words[0] == "WSGIDaemonProcess"]
    group = next((one for one in groups if one.words[1] == name), None)
    if group is None:
        raise CannotRun(
            f"{alias.file}:{alias.line}: no WSGIProcessGroup names a WSGIDaemonProcess: "
            "include apache/site.conf as it is"
        )
    options = _options(group.words)
    return Apache(
        name,
        options.get("user") or _user(found),
        options,
        _policy(found, alias),
        _module(configuration, defines),
        group.file,
        group.line,
        [*_addresses(configuration, defines, found)],
    )


def _addresses(configuration, defines, found):
    """Yield the Findings in the virtual hosts and certificates of this checkout."""
    ours = {one.file for one in found if (ROOT / "apache") in Path(one.file).resolve().parents}
    yield from names(run_apache(configuration, "-t", "-DDUMP_VHOSTS", defines=defines), ours)
    inside = [one for one in found if one.file in ours]
    host = next((one.words[1] for one in inside if one.words[0] == "ServerName"), "")
    paths = [one.words[1] for one in inside if one.words[0] == "SSLCertificateFile"]
    # mod_md's certificate, if it has fetched one.
    paths += configuration.parent.glob(f"md/domains/{host}/pubcert.pem")
    yield from certificates(sorted({str(path) for path in paths}), host)


def directives(configuration, defines=()):
    """Return the Directives of an Apache, whose main configuration file is `configuration`.

    defines: as of `read_apache`. Raises CannotRun if Apache refuses it.
    """
    run_apache(configuration, "-t", defines=defines)
    information = ["-C", f"LoadModule info_module {MOD_INFO}", "-DDUMP_CONFIG"]
    dump = run_apache(configuration, "-t", *information, defines=defines)
    found, file, line = [], str(configuration), 0
    for text in map(str.strip, dump.splitlines()):
        if inside := re.fullmatch("# In file: (.*)", text):
            file = inside[1]
        elif number := re.fullmatch(r"# +(\d+):", text):
            line = int(number[1])
        elif text and text[0] not in "<#":
            found.append(Directive(_words(text), file, line))
    return found


def _words(text):
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def run_apache(configuration, *options, defines=()):
    """Return what Apache prints with this main configuration file, `options` and `defines`.

    Raises CannotRun if Apache refuses the configuration.
    """
    further = [word for name, value in defines for word in ("-C", f'Define {name} "{value}"')]
    # Debian's configuration has variables of this file.
    variables = configuration.parent / "envvars"
    script = f'[ ! -e "{variables}" ] || . "{variables}"; exec "$@"'
    command = [find_apache(), *further, "-f", configuration, *options]
    done = subprocess.run(
        ["sh", "-c", script, "sh", *command], capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise CannotRun(f"Apache refuses {configuration}: {done.stderr.strip()}")
    return done.stdout


def _is(text, path):
    """Whether `text` is the name of the file or folder `path`, whatever links there are."""
    return Path(text).resolve() == path.resolve()


def _options(words):
    return dict(word.split("=", 1) for word in words if "=" in word)


def _policy(found, alias):
    """The policy that stands in the file of the site's WSGIScriptAlias, or None."""
    for one in found:
        if one.file == alias.file and "Content-Security-Policy" in one.words:
            return one.words[-1]
    return None


def _user(found):
    return next((one.words[1] for one in found if one.words[0] == "User"), DAEMON_USER)


def findings(server):
    """Yield the Findings in an Apache's process groups, names and certificates."""
    yield from server.found
    wanted = {"python-home": sys.prefix, "home": str(ROOT), "lang": LOCALE, "locale": LOCALE}
    for name, value in wanted.items():
        given = server.options.get(name)
        if given and (given == value or _is(given, Path(value))):
            yield Finding(OK, f"{name} of the daemons: {given}")
        else:
            text = f"{name} of the daemons is {given or 'not set'}: write {name}={value}"
            yield Finding(WRONG, text, server.file, server.line)
    yield from _timeouts(server)
    if len(f"(wsgi:{server.name})") > LONGEST_TITLE:
        text = (
            f"the title of the daemons {server.name} is cut, and scripts/reload does not find "
            "them: use a name of up to 10 characters"
        )
        yield Finding(WRONG, text, server.file, server.line)
    else:
        yield Finding(OK, f"name of the daemons: {server.name}")


def _timeouts(server):
    options = server.options
    # mod_wsgi 4.9.4 interrupts no request.
    if "interrupt-timeout" not in options:
        return
    longest = int(options["request-timeout"]) * (1 + math.log(int(options.get("threads", 15))))
    ended = math.ceil(longest) + int(options["interrupt-timeout"])
    answered = int(options.get("socket-timeout", 0))
    if 0 < answered <= ended:
        text = (
            f"a client is told after {answered} s that its request has failed, but the request "
            f"may run for {ended} s: raise WEBPY_ANSWER_TIMEOUT"
        )
        yield Finding(WRONG, text, server.file, server.line)
    else:
        yield Finding(OK, f"longest request: {math.ceil(longest)} s, answer within {answered} s")


def _module(configuration, defines):
    dump = run_apache(configuration, "-t", "-DDUMP_INCLUDES", defines=defines)
    files = [Path(configuration), *map(Path, re.findall(r"\(\d+\) (/.*)", dump))]
    for file in files:
        loaded = re.search(r"^\s*LoadModule\s+wsgi_module\s+\"?([^\"\s]+)", file.read_text(), re.M)
        if loaded:
            return Path("/usr/lib/apache2", loaded[1])
    raise CannotRun(f"{configuration} loads no mod_wsgi: a2enmod wsgi")
