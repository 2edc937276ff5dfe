"""What became of a transaction whose COMMIT was not answered: the server is asked by its id.

The id comes with the message that begins the transaction, at no further round trip, through
psycopg 3. psycopg2 shows only the last answer to a message, and behind a pooler nobody knows on
which server the transaction was. There the outcome stays unknown. A writing request that writes
nothing has an id too, so it changes the snapshot token like one that writes.

An id is valid only on the server that gave it, and only until that server crashes: after the
recovery it gives those ids again that were not on its disk yet. So `run_of_server` names one run
of one server: its identifier and timeline, when it was started, and when its statistics were
reset. The last is there because PostgreSQL recovers from the crash of one process without another
start, and resets them. An ordinary user of the database may ask for all of it.

Where the server waits for standbys, a session may end during that wait. Then its transaction is
committed on this server alone, and would be lost with it. So there a committed transaction counts
as unknown. https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
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
    """Return the text that names the run of its server; None where the server does not tell."""
    try:
        return session.send(f"SELECT {_RUN}")[1][0]
    except session.ERROR:
        # Some hosted servers lack one of these functions.
        return None


def look_after_loss(session, error):
    """Return if the transaction of `session`, which `error` has cut off, is committed.

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
