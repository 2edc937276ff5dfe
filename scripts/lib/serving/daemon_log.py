"""What one daemon has written to Apache's error log."""

import os
import re
from pathlib import Path

MOST_LINES = 60
# The end of a log is enough.
MOST_BYTES = 1 << 20


def said_by(pid):
    """The last lines of the daemon `pid` in the error logs that it has open, as text.

    Empty if the logs are not files, or this user may not read them.
    """
    found = []
    for log in sorted(_open_logs(pid)):
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        ours = [line for line in lines if re.search(rf"\[pid {pid}\b", line)]
        found += [re.sub(r"^(\[[^]]*\] )+", "", line) for line in ours]
    return "\n".join(found[-MOST_LINES:])


def _open_logs(pid):
    folder = Path(f"/proc/{pid}/fd")
    try:
        names = [os.readlink(path) for path in folder.iterdir()]
    except OSError:
        return set()
    return {name for name in names if "error" in Path(name).name and Path(name).is_file()}
