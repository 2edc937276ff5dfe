"""How much memory processes have."""

import re
from pathlib import Path

MB = 1_000_000


def process_size(pid="self"):
    """The bytes of memory of a process, as {"rss": …, "pss": …}.

    rss: all that it has in memory. pss: of memory shared with other processes only its part, so
    that the sum over processes counts nothing twice. https://docs.kernel.org/filesystems/proc.html
    Raises OSError if there is no such process, or it is somebody else's.
    """
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.findall(r"^(Rss|Pss): +(\d+) kB$", text, re.MULTILINE)
    return {name.lower(): int(kilobytes) * 1024 for name, kilobytes in found}
