"""The site's names among Apache's virtual hosts, and the site's certificates."""

import re
import subprocess
from pathlib import Path

from app.check.findings import OK, WARNING, WRONG, Finding

DAYS_BEFORE = 14
DAY = 86400


def names(dump, files):
    """Yield the Findings in the virtual hosts that `dump`, Apache's -S, lists.

    `files`: those with the site's own. If two have one name and address, Apache uses the first.
    """
    first = {}
    address = None
    for line in dump.splitlines():
        if block := re.match(r"(\S+:\S+)\s+is a NameVirtualHost", line):
            address = block[1]
        found = re.match(r"\s+port \S+ namevhost (\S+) \((.*):(\d+)\)", line)
        if not found:
            continue
        name, file, number = found.groups()
        before = first.setdefault((address, name), (file, number))
        if before != (file, number) and files & {file, before[0]}:
            text = (
                f"{name} at {address} is also a virtual host of {before[0]}:{before[1]}, and "
                "Apache uses only that one: give one of them another WEBPY_SERVER_NAME"
            )
            yield Finding(WRONG, text, file, int(number))


def certificates(paths, host):
    """Yield the Findings in the certificates at `paths`, which must name `host`."""
    for path in paths:
        yield _certificate(path, host)


def _certificate(path, host):
    command = ["openssl", "x509", "-noout", "-enddate", "-checkhost", host, "-in", path]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0 and "notAfter=" not in done.stdout:
            return Finding(WRONG, f"is no certificate: {done.stderr.strip()}", path)
        if "does NOT match" in done.stdout:
            return Finding(WRONG, f"does not name {host}: order one that does", path)
        until = re.search("notAfter=(.*)", done.stdout)[1]
        if not _is_good(path, 0):
            return Finding(WRONG, f"expired {until}: renew it", path)
        if not _is_good(path, DAYS_BEFORE * DAY):
            return Finding(WARNING, f"expires {until}: renew it", path)
    except FileNotFoundError:
        return Finding(
            WARNING, "cannot be checked without openssl: as root run apt-get install openssl", path
        )
    return Finding(OK, f"certificate: of {host} until {until}: {Path(path).name}")


def _is_good(path, seconds):
    command = ["openssl", "x509", "-noout", "-checkend", str(seconds), "-in", path]
    return subprocess.run(command, capture_output=True).returncode == 0
