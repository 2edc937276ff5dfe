"""A witness drawn: its transactions as boxes in time, and why one must come before another.

The drawing is SVG. Its colours are those of the page around it (currentColor and --accent,
--fault, --surface).
"""

from html import escape
from itertools import permutations

from scripts.lib.coherency.history import elements
from scripts.lib.coherency.report.transcript import step_texts

MOST_DRAWN = 6
WIDTH, LEFT, RIGHT = 960, 12, 12
LINE, PADDING, GAP = 16, 8, 34
LEAST_WIDTH, LETTER = 190, 7
MOST_LETTERS = 44
WRITING = ("write", "append", "insert", "add")


def edges(operations):
    """Return (before, after, kinds) of the dependencies that the operations themselves show.

    Kinds: "wr", the second read what the first wrote; "rw", the first missed what the second
    wrote; "ww", a read shows both, in this order; "realtime", where no other is known, the
    first had been answered before the second began.
    """
    found = {}
    for one, other in permutations(operations, 2):
        for kind in sorted(set(_kinds(one, other, operations))):
            found.setdefault((one, other), []).append(kind)
    for one, other in permutations(operations, 2):
        if one.t1 < other.t0 and (one, other) not in found and (other, one) in found:
            found[one, other] = ["realtime"]
    return [(one, other, kinds) for (one, other), kinds in found.items()]


def _kinds(one, other, operations):
    for key, value in _writes(one):
        for read, seen in _reads(other):
            if read == key and value in elements(seen):
                yield "wr"
        for second, later in _writes(other):
            if second == key and _shown_in_order(key, value, later, operations):
                yield "ww"
    for key, value in _writes(other):
        for read, seen in _reads(one):
            if read == key and _missed(value, seen, other, key, operations):
                yield "rw"


def _writes(operation):
    return [step[1:3] for step in operation.done if step[0] in WRITING]


def _reads(operation):
    return operation.steps("read") if operation.ok else []


def _shown_in_order(key, value, later, operations):
    """Whether a list that was read has the two values, the first one before."""
    for operation in operations:
        for read, seen in _reads(operation):
            if read == key and isinstance(seen, tuple) and value in seen and later in seen:
                return seen.index(value) < seen.index(later)
    return False


def _missed(value, seen, writer, key, operations):
    """Whether a read of `seen` is from before what `writer` wrote."""
    if isinstance(seen, tuple):
        return value not in seen
    if seen == value or seen is None:
        return False
    writers = [one for one in operations if (key, seen) in _writes(one)]
    # Without a writer it is older than all of these.
    return all(one.t1 < writer.t0 for one in writers)


def drawn(operations, known=()):
    """Return the SVG of a witness's operations, "" where they are too many to be drawn.

    They are in the order of their beginning, each on its own line. known: the edges, as of
    `edges`, of a witness that is a cycle: others than its own operations may have shown them.
    """
    if not 1 <= len(operations) <= MOST_DRAWN:
        return ""
    texts = [_texts(number, one, operations) for number, one in enumerate(operations, 1)]
    tops, top = [], GAP
    for lines in texts:
        tops.append(top)
        top += len(lines) * LINE + 2 * PADDING + GAP
    boxes = [
        _box(one, operations, lines, top_of)
        for one, lines, top_of in zip(operations, texts, tops, strict=True)
    ]
    parts = [_rectangle(box, lines) for box, lines in zip(boxes, texts, strict=True)]
    of = dict(zip(operations, boxes, strict=True))
    between = known or edges(operations)
    for number, (one, other, kinds) in enumerate(between):
        parts.append(_arrow(of[one], of[other], "/".join(kinds), number))
    label = "; ".join(
        f"T{operations.index(one) + 1} before T{operations.index(other) + 1} ({'/'.join(kinds)})"
        for one, other, kinds in between
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {top}" role="img" aria-label="{escape(label or "one")}">'
        f"{''.join(parts)}</svg>"
    )


def _texts(number, operation, operations):
    lines = [f"T{number}, client {operation.client}: {operation.type}"]
    lines += step_texts(operation, operations)
    return [line if len(line) <= MOST_LETTERS else f"{line[:MOST_LETTERS]}…" for line in lines]


def _box(operation, operations, lines, top):
    """(x, y, width, height) of an operation, as wide as its time, or as its text needs."""
    first = min(one.t0 for one in operations)
    span = max(one.t1 for one in operations) - first or 1
    room = WIDTH - LEFT - RIGHT
    width = max(LEAST_WIDTH, LETTER * max(map(len, lines)) + 2 * PADDING)
    width = max(width, room * (operation.t1 - operation.t0) / span)
    x = LEFT + room * (operation.t0 - first) / span
    return min(x, WIDTH - RIGHT - width), top, width, len(lines) * LINE + 2 * PADDING


def _rectangle(box, lines):
    x, y, width, height = box
    texts = "".join(
        f'<text x="{x + PADDING:.1f}" y="{y + PADDING + LINE * (number + 0.75):.1f}" '
        f'fill="currentColor">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4" '
        f'fill="var(--surface)" stroke="currentColor"/>{texts}'
    )


def _arrow(one, other, name, number):
    """A line from box to box with a head; each further one stands a bit to the right."""
    shift = 24 + 46 * (number % 4)
    down = one[1] < other[1]
    x1, x2 = (
        min(one[0] + shift, one[0] + one[2] - 8),
        min(other[0] + shift, other[0] + other[2] - 8),
    )
    y1 = one[1] + one[3] if down else one[1]
    y2 = other[1] if down else other[1] + other[3]
    tip = -7 if down else 7
    return (
        f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="var(--accent)" fill="none"/>'
        f'<path d="M{x2:.1f} {y2:.1f}l-4 {tip}h8z" fill="var(--accent)"/>'
        f'<text x="{(x1 + x2) / 2 + 5:.1f}" y="{(y1 + y2) / 2 + 4:.1f}" fill="var(--accent)">'
        f"{escape(name)}</text>"
    )
