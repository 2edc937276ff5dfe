"""What the check has found: one line each, with file, line and cure."""

from typing import NamedTuple

OK = "ok"
# It can be served, but somebody should look at it.
WARNING = "warning"
# It would be served wrongly, or not at all.
WRONG = "wrong"


class Finding(NamedTuple):
    """One line of the check; `file` and `line` are where the cause stands, or None."""

    level: str
    text: str
    file: str | None = None
    line: int | None = None

    def __str__(self):
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{self.level:<7} {place if self.file else ''}{' '.join(self.text.split())}"
