"""The database server syncs acknowledged writes before the answer leaves.

As in test_power.py strace watches the server's processes and the daemon that answers. With one
client, a sync between two answers belongs to the second one.
"""

import contextlib
import re
import time
from pathlib import Path

import pytest
from sqlobject import connectionForURI

from app.check.findings import WARNING
from app.check.servers import findings
from scripts.lib.coherency.load.client import Client
from scripts.lib.command import CannotRun
from scripts.lib.serving.daemons import loaded_pids
from scripts.lib.serving.databases import SERVERS
from scripts.lib.serving.own_site import daemon_user, make_folder, own_folder
from scripts.lib.serving.ports import free_port
from scripts.lib.serving.user import as_user
from tests.apache.server import TOKEN, apache
from tests.apache.test_faults import wait_until
from tests.apache.test_power import ANSWERED, DEFINES, traced

pytestmark = pytest.mark.timeout(180)

LOGS = {"postgres": r"/pg_wal/", "mariadb": r"/ib_logfile"}
# Settings with which a loss of power loses an acknowledged write, and safe ones.
RISKY = {
    "postgres": ["ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()"],
    "mariadb": ["SET GLOBAL innodb_flush_log_at_trx_commit = 0"],
}
SAFE = {
    "postgres": ["ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()"],
    "mariadb": ["SET GLOBAL innodb_flush_log_at_trx_commit = 1"],
}
WRITES = 15


def answers_without_sync(trace, log):
    """How many of the answers in a trace's lines have no sync of the `log` since the one before.

    Returns (how many, of how many). A call is done where the trace has its result.
    """
    sync = re.compile(rf"f(?:data)?sync\(\d+<[^>]*{log}[^>]*>.*= 0$")
    begun = re.compile(rf"^(\d+) +f(?:data)?sync\(\d+<[^>]*{log}[^>]*> <unfinished")
    resumed = re.compile(r"^(\d+) +<\.\.\. f(?:data)?sync resumed>.*= 0$")
    under_way, synced, missing, answers = set(), False, 0, 0
    for line in trace:
        if found := begun.search(line):
            under_way.add(found[1])
        elif found := resumed.search(line):
            synced |= found[1] in under_way
            under_way.discard(found[1])
        elif sync.search(line):
            synced = True
        elif ANSWERED.search(line):
            answers += 1
            missing += not synced
            synced = False
    return missing, answers


def processes_of(folder):
    """The process ids of the database server whose data is in `folder`, its children too."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            command = place.joinpath("cmdline").read_bytes().decode(errors="replace")
            found[int(place.name)] = parent, command
    servers = {pid for pid, (_, command) in found.items() if f"{folder}/data" in command}
    return servers | {pid for pid, (parent, _) in found.items() if parent in servers}


@pytest.fixture(scope="module", params=sorted(SERVERS))
def durable(request):
    """(engine, a durable server, a site on it with one process and one thread)."""
    engine = request.param
    with own_folder("power-") as folder:
        try:
            server = SERVERS[engine](
                make_folder(folder / engine, daemon_user()),
                free_port(),
                "secret",
                durable=True,
                **as_user(daemon_user()),
            )
        except CannotRun as error:
            pytest.skip(f"{error}, or scripts/install --test")
        server.start()
        try:
            settings = {"SITE_LAB": "1", "DATABASE_URI": server.database("site")}
            with apache(processes=1, threads=1, settings=settings, defines=DEFINES) as site:
                yield engine, server, site
        finally:
            server.stop("fast")


def traced_writes(durable, file):
    """Write under strace; returns what answers_without_sync says."""
    engine, server, site = durable
    with Client(site.url, "bundle", TOKEN) as client:
        client.reset(2, 0)
        # From here on there is a session.
        assert client.transact("write", ("write", 1, 0)).ok
        (pid,) = loaded_pids(site.process.pid, "bundle", "lab")
        with traced([pid, *processes_of(server.folder)], file):
            for value in range(1, WRITES + 1):
                assert client.transact("write", ("write", 1, value)).ok
            time.sleep(0.2)
    return answers_without_sync(file.read_text(errors="replace").splitlines(), LOGS[engine])


def test_a_write_is_synced_by_the_server_before_its_answer_leaves(durable, tmp_path):
    assert traced_writes(durable, tmp_path / "trace") == (0, WRITES)


def test_a_server_set_to_sync_later_is_found(durable, tmp_path):
    engine, server, _ = durable
    for query in RISKY[engine]:
        server.execute(query)
    try:
        missing, answers = traced_writes(durable, tmp_path / "trace")
    finally:
        for query in SAFE[engine]:
            server.execute(query)
    assert answers == WRITES
    assert missing > WRITES / 2


def test_an_answer_between_the_begin_and_the_end_of_its_sync_is_found():
    answer = '9 writev(12<socket:[1]>, [{iov_base="Status: 200 OK"}], 1) = 14'
    begun = "7 fdatasync(5</data/pg_wal/0001> <unfinished ...>"
    resumed = "7 <... fdatasync resumed>) = 0"
    whole = "8 fdatasync(5</data/pg_wal/0001>) = 0"
    other = "8 fdatasync(5</data/base/0001>) = 0"
    for lines, missing in (
        ([begun, resumed, answer], 0),
        ([whole, answer], 0),
        ([begun, answer, resumed], 1),
        ([whole, answer, answer], 1),
        ([other, answer], 1),
    ):
        found = answers_without_sync(lines, LOGS["postgres"])
        assert found == (missing, lines.count(answer)), lines


def warnings(server):
    """What scripts/check says of the server's settings, the name and the value of each."""
    connection = connectionForURI(server.address("site"))
    try:
        found = [one.text for one in findings(connection) if one.level == WARNING]
    finally:
        connection.close()
    return [text.split()[3].rstrip(":") for text in found if "may be lost by a crash" in text]


@pytest.mark.filterwarnings("ignore:The reconnect parameter of ping")
def test_the_check_warns_of_each_setting_that_loses_what_was_acknowledged(durable):
    engine, server, _ = durable
    assert warnings(server) == []
    if engine == "postgres":
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            server.execute(f"ALTER SYSTEM SET {name} = off")
            server.execute("SELECT pg_reload_conf()")
            wait_until(lambda name=name: warnings(server) == [f"{name}=off"])
            server.execute(f"ALTER SYSTEM RESET {name}")
        server.execute("SELECT pg_reload_conf()")
        wait_until(lambda: warnings(server) == [])
        return
    for value in (0, 2):
        server.execute(f"SET GLOBAL innodb_flush_log_at_trx_commit = {value}")
        assert warnings(server) == [f"innodb_flush_log_at_trx_commit={value}"]
    server.stop("fast")
    server.further = {"innodb-doublewrite": 0, "innodb-flush-method": "nosync"}
    server.start()
    try:
        assert warnings(server) == ["innodb_doublewrite=0", "innodb_flush_method=nosync"]
    finally:
        server.stop("fast")
        server.further = {}
        server.start()
    assert warnings(server) == []
