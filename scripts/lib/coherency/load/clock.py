"""The wall clock of a site's processes, which jumps: clock.c stands between them and libc.

Monotonic clocks stay as they are: the kernel's do not jump either. libfaketime does the same, but
slows a site from 800 requests a second to 15.
"""

import http.client
import struct
import subprocess
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from scripts.lib.command import CannotRun

SOURCE = Path(__file__).with_suffix(".c")
# The seconds by which the Date of an answer may differ from the clock that was set.
TOLERANCE = 60


class Clock:
    """How many seconds the wall clock of processes with its `environment` is ahead of ours."""

    def __init__(self, folder):
        """`folder`: one that the processes can look into. CannotRun without a C compiler."""
        library, self._file = folder / "clock.so", folder / "clock"
        command = ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-o", library, SOURCE, "-ldl"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "")
            raise CannotRun(f"{SOURCE} cannot be compiled: {error} {said}") from None
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file)}

    def set(self, seconds):
        """Make the clock jump to this distance."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", seconds))

    def is_seen(self, url, seconds):
        """Whether the Date of an answer from the site at `url` is about that far ahead."""
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        try:
            connection.request("GET", "/")
            date = connection.getresponse().headers["Date"]
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        ahead = parsedate_to_datetime(date).timestamp() - time.time()
        return abs(ahead - seconds) < TOLERANCE
