"""PostgreSQL's snapshot token (cache.py): the query for it, and what goes on beside it."""

import re

TOKEN = """SELECT pg_is_in_recovery(), pg_current_snapshot()::text, pg_backend_pid(),
    current_user::text, current_setting('search_path'), current_setting('row_security');"""
# Which of the answers to an opening and the token is the token's.
ANSWER = 3
# What changes the rows that a role or schema shows, though not the snapshot.
CHANGES_SESSION = re.compile(r"\b(set|reset|discard|set_config)\b", re.IGNORECASE)


def token(cursor):
    """The snapshot token that `cursor` holds, None on a server in recovery.

    The snapshot changes with every transaction that has written. After a crash it can come back
    with other data, and roles and schemas see other rows: so the session and these belong to it.
    """
    recovering, *token = cursor.fetchone()
    return None if recovering else token
