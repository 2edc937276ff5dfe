"""PostgreSQL's snapshot token (row_cache.py).

The snapshot changes with every transaction that has written. After a crash it can come back with
other data, and roles and schemas see other rows: so the session and these belong to the token.
On a server in recovery there is none.
"""

# One text, so that it is compared as it comes. The user's length tells where its name ends.
EXPRESSION = """CASE WHEN NOT pg_is_in_recovery() THEN concat_ws(' ', pg_current_snapshot(),
    pg_backend_pid(), length(current_user), current_user, current_setting('row_security'),
    current_setting('search_path')) END"""
TOKEN = f"SELECT {EXPRESSION};"
# Prepared, it takes the server half the time.
PREPARE = f"PREPARE webpy_token AS {TOKEN}"
PREPARED = "EXECUTE webpy_token"
