"""Runs the program of SITE_DATABASE, in one transaction and its own process.

`python -m app.database` calls `python -m app.program`. The exit status is 0, or AGAIN where
another transaction was in the way; everything else comes through with its traceback.
"""

import sys

from sqlobject import dberrors, sqlhub

from app.own import run_database_program
from app.settings import SettingsError, stop
from app.transactions.tables import may_succeed_now

# EX_TEMPFAIL of sysexits.h.
AGAIN = 75


def main():
    """Run it on the site's database; returns the exit status."""
    try:
        from app import load_sqlo

        load_sqlo()
        connection = sqlhub.processConnection
        sqlhub.doInTransaction(run_database_program)
    except SettingsError as error:
        stop(error)
    except (dberrors.Error, connection.module.Error) as error:
        if not may_succeed_now(connection, error):
            raise
        print(error, file=sys.stderr)
        return AGAIN
    return 0


if __name__ == "__main__":
    sys.exit(main())
