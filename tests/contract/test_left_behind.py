"""What a request has changed in its session ends with it; similar text is not taken for that."""

import contextlib
import shutil
import time

import MySQLdb
import pytest
from sqlobject import dberrors, sqlhub

from tests.contract.internals import is_writing, raw_connection
from tests.contract.site import POSTGRES, Entry, Site, add, no_transaction
from tests.servers import running

POSTGRES_CHANGES = {
    "SET search_path TO other": "SHOW search_path",
    "/* it's /* mine */ */ -- it's\n set search_path TO other": "SHOW search_path",
    "SELECT 1; SET search_path TO other": "SHOW search_path",
    "SELECT E'\\''; SET search_path TO other; SELECT ''": "SHOW search_path",
    "SELECT $a$'$a$; SET search_path TO other; SELECT ''": "SHOW search_path",
    "SELECT set_config('search_path', 'other', false)": "SHOW search_path",
    "with a as (select 1) select pg_catalog.\"set_config\"('search_path', 'other', false)": (
        "SHOW search_path"
    ),
    "SELECT E'\\'', set_config('search_path', 'other', false), ''": "SHOW search_path",
    "DO $$ BEGIN SET search_path TO other; END $$": "SHOW search_path",
    "SET ROLE pg_monitor": "SELECT current_user",
    "SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE": "SHOW default_transaction_deferrable",
    "RESET ALL": "SHOW statement_timeout",
    "SELECT pg_advisory_lock(1)": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "select pg_try_advisory_lock_shared(1)": (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    ),
    "CREATE TEMP TABLE mine (n INT)": "SELECT to_regclass('mine')",
    "create local temporary view mine as select 1": "SELECT to_regclass('mine')",
    "CREATE TABLE pg_temp.mine (n INT)": "SELECT to_regclass('mine')",
    "SELECT 1 AS n INTO TEMP mine": "SELECT to_regclass('mine')",
    "EXPLAIN (ANALYZE) CREATE TEMP TABLE mine AS SELECT 1": "SELECT to_regclass('mine')",
    "PREPARE mine AS SELECT 1": "SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine'",
    "LISTEN mine": "SELECT count(*) FROM pg_listening_channels()",
}
MARIADB_CHANGES = {
    "SET sql_mode=''": "SELECT @@sql_mode",
    "/* it's */ # it's\n -- it's\n set sql_mode=''": "SELECT @@sql_mode",
    "/*!50000 SET sql_mode='' */": "SELECT @@sql_mode",
    "SET NAMES latin1": "SELECT @@character_set_client",
    "SET @mine = 1": "SELECT @mine",
    "SELECT 1 INTO @mine": "SELECT @mine",
    "SELECT @`mine` := 1": "SELECT @mine",
    "SELECT '\\'', @mine := 1, ''": "SELECT @mine",
    "SELECT GET_LOCK('mine', 0)": "SELECT IS_USED_LOCK('mine')",
    "select get_lock('mine', 0)": "SELECT IS_USED_LOCK('mine')",
    "DO GET_LOCK('mine', 0)": "SELECT IS_USED_LOCK('mine')",
    "USE information_schema": "SELECT DATABASE()",
    "CREATE TEMPORARY TABLE mine (n INT)": "SELECT * FROM mine",
    "PREPARE mine FROM 'SELECT 1'": "EXECUTE mine",
}
SQLITE_CHANGES = {
    "PRAGMA cache_size=5": "PRAGMA cache_size",
    "/* it's */ -- it's\n pragma main.cache_size(5)": "PRAGMA cache_size",
    "; PRAGMA cache_size=5": "PRAGMA cache_size",
    "EXPLAIN PRAGMA reverse_unordered_selects=ON": "PRAGMA reverse_unordered_selects",
    "explain query plan pragma reverse_unordered_selects=ON": "PRAGMA reverse_unordered_selects",
    "ATTACH ':memory:' AS other": "SELECT count(*) FROM pragma_database_list",
    "CREATE TEMP TABLE mine (n INT)": "SELECT count(*) FROM sqlite_temp_master",
    "CREATE TABLE IF NOT EXISTS temp.mine (n INT)": "SELECT count(*) FROM sqlite_temp_master",
    'CREATE VIEW "temp".mine AS SELECT 1': "SELECT count(*) FROM sqlite_temp_master",
}
CHANGES = {
    "sqlite": SQLITE_CHANGES,
    **dict.fromkeys(POSTGRES, POSTGRES_CHANGES),
    "mariadb": MARIADB_CHANGES,
}


def shown(query):
    """What `query` finds, in a request; its error where it fails."""
    try:
        return str(sqlhub.threadConnection.queryAll(query))
    except dberrors.Error as error:
        return str(error)


def execute(query, through):
    if through == "driver":
        sqlhub.threadConnection.getConnection().cursor().execute(query)
    else:
        sqlhub.threadConnection.query(query)


def ends_as(before, site, look, method):
    """Whether requests see `before` by `look` again, at once or after a moment.

    A server releases what a closed session held once it has noticed.
    """
    deadline = time.monotonic() + 10
    while site.request(lambda: shown(look), method).data != before:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("through", ["sqlobject", "driver"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_request_has_changed_in_its_session_ends_with_it(site, engine, through, method):
    for change, look in CHANGES[engine].items():
        before = site.request(lambda look=look: shown(look), method).data

        def handler(change=change, look=look):
            execute(change, through)
            return shown(look)

        for _ in range(2):
            answer = site.request(handler, method)
            assert answer.status == "200 OK", change
            # LISTEN shows after the commit only.
            assert answer.data != before or change == "LISTEN mine", change
            assert ends_as(before, site, look, method), change
    assert no_transaction()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_change_of_a_request_that_fails_ends_too(site, engine, method):
    for change, look in CHANGES[engine].items():
        before = site.request(lambda look=look: shown(look), method).data

        def handler(change=change):
            execute(change, "sqlobject")
            raise ZeroDivisionError

        assert site.request(handler, method).status.startswith("500")
        assert ends_as(before, site, look, method), change


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_set_on_the_driver_s_connection_itself_ends_with_the_request(site, method):
    def handler():
        raw = sqlhub.threadConnection.getConnection()
        raw.set_by_the_handler = True

    site.request(handler, method)
    assert site.request(lambda: hasattr(raw_connection(), "set_by_the_handler"), method).data == (
        b"False"
    )


HARMLESS = [
    "SELECT * FROM entry WHERE name = 'Chess set'",
    "select * from entry where name = 'Chess set; SET ROLE x; COMMIT'",
    "SELECT * FROM entry WHERE name = 'set_config(a); get_lock(b); pg_advisory_lock(c)'",
    "SELECT * FROM entry WHERE name = 'PRAGMA query_only=OFF'",
    "/* SET it */ SELECT 1 -- PRAGMA, ATTACH",
    "-- it's; COMMIT\nselect 1",
    "SELECT * FROM entry WHERE name = 'one into @two, @a := 1, pg_temp'",
    "update entry set number = 1 where name = 'attach, temp'",
    "INSERT INTO entry (name, number) VALUES ('it''s; SET ROLE x', 1)",
    "with a as (select 1) select 'SET ROLE'",
]


@pytest.mark.parametrize("query", HARMLESS)
def test_a_statement_that_only_looks_like_one_costs_no_connection(site, query):
    held = []

    def handler():
        sqlhub.threadConnection.query(query)
        held.append(raw_connection())

    for _ in range(2):
        assert site.request(handler).status == "200 OK"
        site.execute("DELETE FROM entry")
    assert held[0] is held[1]


def test_text_of_a_user_that_looks_like_a_statement_costs_no_connection(site):
    held = []

    def handler(name):
        held.append(raw_connection())
        entry = Entry(name=name)
        entry.name = name + "'"
        return str(Entry.select(Entry.q.name == name + "'").count())

    texts = [
        "a'; COMMIT; SET",
        "set_config('",
        "get_lock(",
        "\\'; @a := 1",
        "$$; INTO TEMP pg_temp",
    ]
    for text in texts:
        assert site.request(lambda text=text: handler(text)).data == b"1"
    assert len(set(map(id, held))) == 1


SPELLINGS = [
    "PRAGMA query_only=OFF",
    "pragma main . query_only(0)",
    "; /* a */ PRAGMA/* b */query_only = 0",
    "PRAGMA 'query_only'=0",
    'PRAGMA "query_only"=0',
    "PRAGMA [query_only]=0",
    "EXPLAIN PRAGMA query_only=0",
]


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("through", ["sqlobject", "driver"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_reading_request_cannot_make_itself_a_writing_one(site, spelling, through):
    kinds = []

    def handler():
        kinds.append(is_writing())
        with contextlib.suppress(dberrors.Error):
            execute(spelling, through)
        return add("a")()

    def writes():
        kinds.append(is_writing())
        return add("b")()

    # Through SQLObject the refusal is an error of the request's, which it has caught.
    assert site.request(handler, "GET").status[:3] == ("500" if through == "sqlobject" else "200")
    assert site.request(writes, "GET").data == b"added"
    assert kinds == [False, True, False, True]


@pytest.mark.engines("sqlite")
def test_a_request_may_ask_whether_it_can_write(site):
    held = []

    def handler():
        held.append(raw_connection())
        return shown("PRAGMA query_only")

    assert site.request(handler, "GET").data == b"[(1,)]"
    assert site.request(handler, "POST").data == b"[(0,)]"
    assert site.request(handler, "GET").data == b"[(1,)]"


AUTOCOMMITS = [
    "SET autocommit=1",
    "SET sql_mode='', autocommit=1",
    "SET @mine = 'a, b', SESSION autocommit := 1",
    "SET @@session.autocommit = ON",
    "set `autocommit`=1",
    "/*!50000 SET autocommit=1 */",
    "SET STATEMENT max_statement_time=1 FOR COMMIT",
    "PREPARE mine FROM 'COMMIT'",
    "EXECUTE IMMEDIATE 'COMMIT'",
    "SET PASSWORD = ''",
    "UNLOCK TABLES",
    "FLUSH TABLES",
]


@pytest.mark.engines("mariadb")
@pytest.mark.parametrize("through", ["sqlobject", "driver"])
@pytest.mark.parametrize("statement", AUTOCOMMITS)
def test_a_statement_that_commits_is_refused_before_it_does(site, statement, through):
    said = []

    def handler():
        Entry(name="a")
        try:
            execute(statement, through)
        except dberrors.NotSupportedError as error:
            said.append(str(error))
            raise
        Entry(name="b")

    assert site.request(handler).status.startswith("500")
    assert "cannot be part of a request" in said[0]
    assert site.names() == []


@pytest.mark.engines("mariadb")
@pytest.mark.parametrize("statement", ["COMMIT", "SET autocommit=1", "START TRANSACTION"])
def test_a_reading_request_cannot_leave_its_snapshot(site, statement):
    def handler():
        Entry.select().count()
        sqlhub.threadConnection.query(statement)

    assert site.request(handler, "GET").status.startswith("500")


@pytest.mark.engines("mariadb")
@pytest.mark.parametrize(
    "statement",
    [
        "SET @autocommit = 1",
        "SET @password = 'autocommit=1'",
        "SET STATEMENT max_statement_time=1 FOR SELECT 1",
        "PREPARE mine FROM 'SELECT ''COMMIT'''",
        "SET @old = @@autocommit",
    ],
)
def test_a_statement_that_only_looks_as_if_it_committed_is_executed(site, statement):
    def handler():
        Entry(name="a")
        sqlhub.threadConnection.query(statement)
        return "done"

    assert site.request(handler).data == b"done"
    assert site.names() == ["a"]


@pytest.mark.engines("mariadb")
def test_a_procedure_that_commits_is_not_acknowledged(site):
    site.execute("CREATE PROCEDURE commits() BEGIN COMMIT; END")

    def handler():
        Entry(name="a")
        sqlhub.threadConnection.query("CALL commits()")
        Entry(name="b")
        return "as if"

    assert site.request(handler).status.startswith("500")
    assert site.names() == ["a"]


def connection_id():
    query = {
        "postgres": "SELECT pg_backend_pid()",
        "mysql": "SELECT CONNECTION_ID()",
    }[sqlhub.threadConnection.dbName]
    return str(sqlhub.threadConnection.queryOne(query)[0])


@pytest.fixture
def refused_as_read_only(caplog):
    """Have a writing request of a site refused by a server that has become read-only."""

    def refused(site):
        _refused_as_read_only(site)
        assert "refused as read-only" in caplog.text

    return refused


def _refused_as_read_only(site):
    answer = site.request(add("a"))
    assert answer.status == "503 Service Unavailable"
    assert answer.headers["Retry-After"] == "1"
    assert site.names() == []


@pytest.mark.engines(*POSTGRES)
def test_an_open_connection_to_a_server_that_has_become_read_only_is_closed(
    site, server, refused_as_read_only
):
    """As after a failover: the connection leads to the old primary, a new one to the new."""
    server.execute(f"ALTER DATABASE {site.database} SET default_transaction_read_only=on")
    site.connection.close()
    for method in ("GET", "POST"):
        site.request(connection_id, method)
    server.execute(f"ALTER DATABASE {site.database} RESET default_transaction_read_only")
    refused_as_read_only(site)
    assert site.request(add("a")).data == b"added"


@pytest.mark.engines("mariadb")
def test_an_open_connection_to_a_mariadb_that_has_become_read_only_is_closed(
    site, server, refused_as_read_only
):
    # An administrator of the server is not refused.
    socket = str(server.folder / "socket")
    with contextlib.closing(MySQLdb.connect(unix_socket=socket, user="root")) as root:
        root.cursor().execute("CREATE OR REPLACE USER plain IDENTIFIED BY 'plain'")
        root.cursor().execute(f"GRANT ALL ON {site.database}.* TO plain")
    plain = Site(server, f"mysql://plain:plain@127.0.0.1:{server.port}/{site.database}")
    before = plain.request(connection_id).data
    server.execute("SET GLOBAL read_only=1")
    try:
        refused_as_read_only(plain)
        assert plain.request(connection_id).data != before
    finally:
        server.execute("SET GLOBAL read_only=0")
    assert plain.request(add("a")).data == b"added"
    plain.connection.close()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_writing_request_on_a_standby_is_503_until_it_is_promoted(driver, refused_as_read_only):
    with running("postgres") as server:
        site = Site(server, f"{server.new_database()}?driver={driver}")
        site.request(lambda: "", "GET")
        server.stop("fast")
        signal = server.folder / "data" / "standby.signal"
        signal.touch()
        shutil.chown(signal, signal.parent.owner())
        server.start()
        refused_as_read_only(site)
        assert site.request(lambda: str(Entry.select().count()), "GET").data == b"0"
        server.execute("SELECT pg_promote()")
        assert site.request(add("a")).data == b"added"
        site.connection.close()
