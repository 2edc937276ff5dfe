"""The tables of a server's database are brought to what the models say (app/schema.py)."""

import MySQLdb
from sqlobject import IntCol, sqlhub

from app.transactions.engines.threads import connection_for
from scripts.lib.serving.databases import Postgres
from tests.servers import PASSWORD, QUOTED_PASSWORD
from tests.test_schema import SchemaFacts, made, model, refusal, text, update


class TestOnServers(SchemaFacts):
    """The facts of tests/test_schema.py, and those of engines that know lengths and users."""

    def test_a_column_that_is_shorter_than_the_model_is_refused(self):
        made()
        said = refusal(model(text=text(200)))
        assert "(100), in the model " in said and said.endswith("(200)")

    def test_a_user_who_may_make_no_table_uses_the_table_as_it_is(self, server, uri, monkeypatch):
        made()
        name = uri.rpartition("/")[2].partition("?")[0]
        make_user(server, name)
        limited = connection_for(
            uri.replace(f"site:{QUOTED_PASSWORD}", f"{name}:{QUOTED_PASSWORD}")
        )
        monkeypatch.setattr(sqlhub, "processConnection", limited)
        later = model(text=text(), stars=IntCol(defaultSQL="5"))
        assert update(later) == [
            "table note: not compared, for this user may not make a temporary table"
        ]
        limited.close()


def make_user(server, name):
    """Make the user `name`, who may read and write the rows of the database of the same name."""
    if isinstance(server, Postgres):
        server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        server.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
        server.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON note TO {name}", name)
        return
    root = MySQLdb.connect(unix_socket=str(server.folder / "socket"), user="root")
    root.query(f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'")
    root.query(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {name}@'%'")
    root.close()
