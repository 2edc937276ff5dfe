"""What a mutant of the bundle is: one line broken on purpose."""

from dataclasses import dataclass

TRANSACTIONS = "app/transactions/"
SQLITE, POSTGRES, MARIADB = "sqlite", "postgres", "mariadb"


@dataclass(frozen=True)
class Mutant:
    """A fault: in `file` the text `line`, which stands there once, is replaced by `broken`.

    name: what is wrong then. workload: the one that must find it on `database`. seconds: of load,
    within which it must. faults: those during the load, without which it changes no answer.
    """

    name: str
    file: str
    line: str
    broken: str
    workload: str
    database: str = SQLITE
    seconds: int = 6
    faults: tuple = ()


def mutant(name, file, line, broken, workload, database=SQLITE, seconds=6, faults=()):
    """Return a Mutant of a file of app/transactions."""
    return Mutant(name, TRANSACTIONS + file, line, broken, workload, database, seconds, faults)
