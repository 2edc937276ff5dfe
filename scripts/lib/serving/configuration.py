"""Whether the files that an Apache was started with have changed, and a restart without harm.

A graceful restart ends every daemon within 3 s, whatever it answers at the time. So there is no
restart if nothing has changed; otherwise it waits until no daemon has a request.
"""

import hashlib
import os
import re
import signal
import time
from pathlib import Path

from scripts.lib.check.apache import directives, run_apache
from scripts.lib.command import FAILED, CannotRun

SECONDS_FOR_QUIET = 60
CERTIFICATES = ("SSLCertificateFile", "SSLCertificateKeyFile", "SSLCertificateChainFile")
# Of /proc/net/unix: a socket that is connected.
CONNECTED = "03"


def remember(configuration, noted):
    """Write down in the file `noted` what Apache's main file `configuration` says now."""
    noted.write_text(fingerprint(configuration))


def fingerprint(configuration):
    """A text that differs when Apache's files or certificates have changed.

    Raises CannotRun if Apache refuses the main configuration file.
    """
    dump = run_apache(configuration, "-t", "-DDUMP_INCLUDES")
    # Debian's configuration uses variables from envvars.
    files = {configuration, configuration.parent / "envvars"}
    files |= {*map(Path, re.findall(r"\(\d+\) (/.*)", dump))}
    for one in directives(configuration):
        if one.words[0] in CERTIFICATES:
            files.add(Path(one.words[1]))
    # Here a renewed certificate of mod_md waits for a restart.
    files |= set((configuration.parent / "md" / "staging").rglob("*"))
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(bytes(path) + b"\0" + (path.read_bytes() if path.is_file() else b"") + b"\0")
    return digest.hexdigest()


def follow(configuration, parent, noted):
    """Have the Apache with pid `parent` use its configuration, if that has changed.

    noted: the file that `remember` has written. Returns what was done, as text. Raises CannotRun
    if the configuration is wrong, if Apache goes on writing logs that were renamed, and, with the
    status FAILED, if there is no instant without a request.
    """
    new = fingerprint(configuration)
    if renamed := renamed_logs(parent):
        raise CannotRun(
            f"{renamed[0]} was renamed, and Apache goes on writing it: put apache/logrotate.conf "
            "in place of /etc/logrotate.d/apache2, and restart Apache once"
        )
    if noted.exists() and noted.read_text() == new:
        return "nothing has changed"
    _wait_for_quiet(parent)
    os.kill(parent, signal.SIGUSR1)
    noted.write_text(new)
    return "Apache reads its changed configuration"


def renamed_logs(parent):
    """The logs that the process `parent` writes, and that were renamed or removed."""
    found = []
    for path in Path(f"/proc/{parent}/fd").iterdir():
        name = os.readlink(path)
        if re.search(r"\.log(\.\d+)?( \(deleted\))?$", name) and not name.endswith(".log"):
            found.append(name.removesuffix(" (deleted)"))
    return found


def requests_in_flight(parent):
    """How many requests the daemons of the Apache with pid `parent` have or will get."""
    count = 0
    for line in Path("/proc/net/unix").read_text().splitlines():
        words = line.split()
        is_ours = len(words) > 7 and re.search(rf"\.{parent}\.\d+\.\d+\.sock$", words[7])
        count += bool(is_ours and words[5] == CONNECTED)
    return count


def _wait_for_quiet(parent):
    deadline = time.monotonic() + SECONDS_FOR_QUIET
    while requests_in_flight(parent):
        if time.monotonic() > deadline:
            raise CannotRun(
                f"the configuration has changed, but within {SECONDS_FOR_QUIET} s there was no "
                "instant without a request, which a restart would cut: try again at a quiet hour, "
                "or accept that by `apachectl graceful`",
                FAILED,
            )
        time.sleep(0.002)
