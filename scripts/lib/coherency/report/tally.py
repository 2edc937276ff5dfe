"""How often each fault was done to each mode, and what it met."""


def sums(tally, more):
    """A tally with `more` added, which has (name, how often it was done, how many it met)."""
    added = dict(tally)
    for name, done, met in more:
        before = added.get(name, (0, 0))
        added[name] = (before[0] + done, before[1] + met)
    return added


def tally_of(rows):
    """The tally() of several Rows together."""
    return sums({}, [(name, *both) for row in rows for name, both in row.tally.items()])


def unmet(rows):
    """The names of the faults that were done to the bundle and that met nothing."""
    tally = tally_of(row for row in rows if row.mode == "bundle")
    return sorted(name for name, (_, met) in tally.items() if not met)


def faults_table(rows):
    """The lines of a table of how often each fault was done to each mode; none without faults.

    A cell also has the number of messages or requests that the fault met, where that differs.
    """
    by_mode = {row.mode: tally_of(one for one in rows if one.mode == row.mode) for row in rows}
    names = sorted(set().union(*by_mode.values()))
    if names:
        yield ""
        yield "| fault | " + " | ".join(by_mode) + " |"
        yield "|---" * (1 + len(by_mode)) + "|"
        for name in names:
            cells = [_told(*tally.get(name, (0, 0))) for tally in by_mode.values()]
            yield f"| {name} | " + " | ".join(cells) + " |"


def _told(done, met):
    return str(done) if done == met else f"{done}, met {met:,}"
