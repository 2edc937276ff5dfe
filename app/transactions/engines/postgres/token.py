"""PostgreSQL's snapshot token (row_cache.py).

The snapshot changes with every transaction that has written. After a crash the same snapshot can
come back with other data, so the session is a part of the token. Roles and schemas see different
rows, so they are a part of it too. A server in recovery has no token.
"""

# One text can be compared without decoding. The length of the user's name tells where it ends.
EXPRESSION = """CASE WHEN NOT pg_is_in_recovery() THEN concat_ws(' ', pg_current_snapshot(),
    pg_backend_pid(), length(current_user), current_user, current_setting('row_security'),
    current_setting('search_path')) END"""
TOKEN = f"SELECT {EXPRESSION};"
# Prepared, it takes the server half the time.
PREPARE = f"PREPARE webpy_token AS {TOKEN}"
PREPARED = "EXECUTE webpy_token"
