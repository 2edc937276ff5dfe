"""What became of a transaction whose COMMIT was not answered: the server is asked by its id.

The id comes with the message that begins the transaction, at no further round trip, through
psycopg 3. psycopg2 shows the last answer to a message only, and behind a pooler nobody knows on
which server the transaction was: there, the outcome stays unknown. A writing request that writes
nothing has an id, too, and so changes the snapshot token as if it had.

An id means the same only on the server that gave it, and only until that crashes: ids that had not
been written to its disk are given to others after the recovery. So `run_of_server` tells one run
of one server: its identifier and timeline, when it was started, and when its statistics were
reset. The last because after the crash of one process PostgreSQL recovers without another start,
and resets them. An ordinary user of the database may ask for all of it.

Where the server waits for standbys, a transaction whose session ended during that wait is
committed on the server alone, and would be lost with it: so what is committed is unknown there.
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
https://www.postgresql.org/docs/current/monitoring-stats.html
https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION
"""

import time

from ..base import OutcomeUnknown

# Seconds for which it is asked again: a server may take a moment to notice that a client has gone.
PATIENCE = 2
_PAUSE = 0.02
# NULL where one of its parts is.
_RUN = """CASE WHEN NOT pg_is_in_recovery() THEN
    (SELECT system_identifier FROM pg_control_system())
    || left(pg_walfile_name(pg_current_wal_lsn()), 8)
    || extract(epoch FROM pg_postmaster_start_time()) || ' '
    || extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()) END"""
ID = "SELECT pg_current_xact_id();"


def run_of_server(session):
    """Return the text that tells its server's run from others, None where that does not say."""
    try:
        return session.send(f"SELECT {_RUN}")[1][0]
    except session.ERROR:
        # Some offered as a service do not have all of these functions.
        return None


def look_after_loss(session, error):
    """Return where the transaction of `session`, which `error` has cut off, is committed.

    Raises `error` where it is rolled back, OutcomeUnknown where nobody knows.
    """
    outcome = _outcome(session)
    if outcome == "aborted":
        raise error
    if outcome != "committed":
        raise OutcomeUnknown(str(error)) from error


def _outcome(session):
    """Return "committed" or "aborted", or something else where nobody knows."""
    if session.transaction_id is None or session.run_of_server is None:
        return None
    query = (
        f"SELECT run, CASE WHEN run = '{session.run_of_server}' "
        f"THEN pg_xact_status('{session.transaction_id}') END, "
        f"current_setting('synchronous_standby_names') FROM (SELECT {_RUN} AS run) AS asked"
    )
    until = time.monotonic() + PATIENCE
    while True:
        try:
            run, status, standbys = _asked(session.connect_again, query)
        except session.ERROR:
            # It may be on its way up.
            status = None
        else:
            if run != session.run_of_server or (status == "committed" and standbys):
                return None
        if status in ("committed", "aborted") or time.monotonic() > until:
            return status
        time.sleep(_PAUSE)


def _asked(connect, query):
    connection = connect()
    try:
        connection.autocommit = True
        return connection.send(query)[1]
    finally:
        connection.close_quietly()
