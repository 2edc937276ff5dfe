"""A conflict on demand, on each engine."""

from tests.servers import session


class Busy:
    """Another session that keeps requests from adding the Entry "a" until it is released.

    The requests' `timeout` is how long they wait for it. MariaDB's shortest is a second, so
    handlers call `impatient` first.
    """

    def __init__(self, site):
        self._site = site
        self._raw = session(site.server, site.database)
        cursor = self._raw.cursor()
        if site.connection.dbName == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("INSERT INTO entry (name, number) VALUES ('a', 0)")

    def impatient(self, connection):
        """Have the request's `connection` not wait for the lock."""
        if self._site.connection.dbName == "mysql":
            connection.query("SET innodb_lock_wait_timeout=0")

    def release(self):
        self._raw.rollback()
        self._raw.close()
