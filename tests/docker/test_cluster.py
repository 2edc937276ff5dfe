"""`docker/cluster.yaml`: three web containers on one PostgreSQL behind a balancer, and faults."""

import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.lib.command import ROOT
from tests.apache.raw import AMBIGUOUS, refused
from tests.docker.load import SECONDS, load
from tests.docker.project import TOKEN, client, user_names

pytestmark = pytest.mark.timeout(600)
# Seconds in which the balancer notices that a container is gone: two checks, a second apart.
SECONDS_TO_NOTICE = 4
# Seconds for which a network is cut.
SECONDS_CUT = SECONDS_TO_NOTICE + 2


def hosts(made, number=30):
    """The hosts that answered `number` requests of the lab."""
    with client(made) as http:
        http.post("/lab/bundle/reset", json={"keys": 1, "value": 0}).raise_for_status()
        answers = [http.get("/lab/bundle/keys?ids=1") for _ in range(number)]
    return {answer.raise_for_status().json()["served_by"]["host"] for answer in answers}


def short(containers):
    """The host names of containers, which Docker takes from their ids."""
    return {container[:12] for container in containers}


def in_rotation(made, number):
    """Wait until `number` web containers answer, and no other."""
    made.wait_until(
        lambda: hosts(made) == short(made.containers("web")) and len(hosts(made)) == number,
        f"{number} hosts answer",
    )


def test_three_hosts_answer_one_address(cluster):
    in_rotation(cluster, 3)


def test_what_a_client_says_of_itself_is_not_believed(cluster):
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    with client(cluster) as http:
        page = http.get("/view?forged", headers=said).raise_for_status()
    assert "Strict-Transport-Security" not in page.headers
    balancer, *_ = cluster.containers("balancer")
    address = cluster.inspect(balancer)["NetworkSettings"]["Networks"].popitem()[1]["IPAddress"]
    [line] = [line for line in cluster.log("web").splitlines() if "/view?forged" in line]
    assert "198.51.100.7" not in line and address not in line


# HAProxy takes a bare line feed as the end of a line: it reads, and passes on, two requests.
@pytest.mark.parametrize("form", [form for form in AMBIGUOUS if form != "a bare line feed"])
def test_an_ambiguous_request_carries_no_second_one(cluster, form):
    assert refused(int(cluster.settings["WEBPY_PORT"]), form)
    assert "/smuggled" not in cluster.log("web")


def test_of_the_containers_that_started_together_one_created_the_users(cluster):
    log = cluster.log("web")
    assert log.count("table users: created") == 1
    assert log.count("sample users: ") == 1
    assert log.count("table users: exists") == 2


def test_the_secrets_are_known_only_where_they_are_needed(cluster):
    """The database has the password, web containers the address with it; no environment does."""
    password = cluster.sh("cat /run/site-secrets/password", "database").stdout
    assert re.fullmatch("[0-9a-f]{64}", password)
    uri = cluster.sh("cat secrets/web/database-uri").stdout
    assert uri == f"postgres://site:{password}@database/site"
    for service in ("secrets", "database", "web", "balancer"):
        for container in cluster.compose("ps", "--all", "--quiet", service).stdout.split():
            known = str(cluster.inspect(container))
            assert password not in known
    assert password not in cluster.log()


def test_every_container_is_unprivileged_with_a_read_only_root(cluster):
    for service in ("web", "database", "balancer"):
        for container in cluster.containers(service):
            host = cluster.inspect(container)["HostConfig"]
            assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], service
            assert host["SecurityOpt"] == ["no-new-privileges:true"], service
            assert host["Memory"] and host["PidsLimit"], service
        assert cluster.sh("id -u", service).stdout.strip() != "0"


def test_only_the_balancer_has_a_port_and_it_cannot_reach_the_database(cluster):
    for service in ("web", "database"):
        for container in cluster.containers(service):
            ports = cluster.inspect(container)["NetworkSettings"]["Ports"]
            assert not any(ports.values()), service
    assert cluster.sh("getent hosts web", "balancer").returncode == 0
    assert cluster.sh("getent hosts database", "balancer", check=False).returncode != 0


def test_the_coherency_workloads_across_three_hosts_are_valid_in_bundle_only(cluster):
    """Exit 0: no anomaly in bundle, and the stale reads of default were seen."""
    options = ("--modes", "default", "bundle", "--seconds", "22", "--clients", "8")
    table = script(cluster, "scripts/coherency", *options)
    assert re.search(r"register *\| default .*stale read", table)
    assert re.search(r"register *\| bundle .* none", table)


def test_a_load_test_across_three_hosts_finds_every_answer_right(cluster):
    """scripts/loadtest exits with 0 only if no answer was wrong and none failed."""
    script(cluster, "scripts/loadtest", "--users", "10", "--seconds", "8")


def script(made, *command):
    """Run a script of the checkout on the running site; returns what it prints."""
    environment = {**made.engine.environment, "SITE_API_TOKEN": TOKEN}
    done = subprocess.run(
        [*command, "--url", made.url],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_killed_web_container_costs_no_acknowledged_write_and_soon_no_request(cluster):
    """kill -9 under load. A read goes to another host; a write may have an unknown outcome."""
    in_rotation(cluster, 3)
    victim = cluster.containers("web")[0]
    # So many readers that the victim is answering some of them.
    with load(cluster, readers=12) as running:
        running.wait_for_writes(20)
        killed = time.monotonic()
        cluster.engine.run("kill", "--signal", "KILL", victim)
        time.sleep(SECONDS_TO_NOTICE)
        running.wait_for_writes(50)
    assert running.failed_since(0, "GET") == []
    assert running.failed_since(killed + SECONDS_TO_NOTICE) == []
    assert set(running.acknowledged) <= set(user_names(cluster))
    cluster.engine.run("start", victim)
    in_rotation(cluster, 3)


def test_a_write_that_a_kill_cut_off_is_not_sent_to_another_host(cluster):
    """In the mode nocache a write is committed at once, a second before its host would answer."""
    in_rotation(cluster, 3)
    victim = cluster.containers("web")[0]
    statuses = []

    def add(first):
        with client(cluster) as http:
            for key in range(first, first + 4):
                operations = {"operations": [["add", key, 1], ["sleep", 1000]]}
                answer = http.post("/lab/nocache/transactions", json=operations)
                statuses.append(answer.status_code)

    with client(cluster) as http:
        http.post("/lab/nocache/reset", json={"keys": 48, "value": 0}).raise_for_status()
        with ThreadPoolExecutor(12) as pool:
            work = pool.map(add, range(1, 49, 4))
            time.sleep(2)
            cluster.engine.run("kill", "--signal", "KILL", victim)
            list(work)
        ids = ",".join(map(str, range(1, 49)))
        values = http.get(f"/lab/nocache/keys?ids={ids}").raise_for_status().json()["values"]
    assert set(values.values()) <= {0, 1}
    assert 502 in statuses
    cluster.engine.run("start", victim)
    in_rotation(cluster, 3)


def test_a_web_container_that_hangs_costs_no_read(cluster):
    """The container is paused: the balancer stops waiting for it and asks another."""
    in_rotation(cluster, 3)
    victim = cluster.containers("web")[0]
    with load(cluster, readers=12, writers=0) as running:
        cluster.wait_until(lambda: len(running.reads) > 50, "reads")
        cluster.engine.run("pause", victim)
        try:
            paused = len(running.reads)
            cluster.wait_until(lambda: len(running.reads) > paused + 500, "reads of the others")
            # Longer than the clients wait for an answer.
            time.sleep(SECONDS + 4)
        finally:
            cluster.engine.run("unpause", victim)
    assert running.failures == []
    in_rotation(cluster, 3)


def test_a_web_container_that_is_stopped_drains(cluster):
    """`docker stop` under load, one after the other, as for a new version of the image."""
    in_rotation(cluster, 3)
    with load(cluster) as running:
        running.wait_for_writes(20)
        for container in cluster.containers("web"):
            cluster.engine.run("stop", "--time", "90", container)
            running.wait_for_writes(10)
            cluster.engine.run("start", container)
            cluster.wait_until(lambda: len(hosts(cluster)) == 3, "three hosts again")
    assert running.failures == []
    assert set(running.acknowledged) <= set(user_names(cluster))


def test_a_restarted_database_is_found_again_unaided(cluster):
    with load(cluster) as running:
        running.wait_for_writes(20)
        cluster.compose("restart", "--timeout", "30", "database")
        running.wait_for_writes(50)
        recovered = time.monotonic()
        running.wait_for_writes(50)
    assert running.failed_since(recovered) == []
    assert [came for _, _, came in running.failures if not came.startswith("503")] == []
    assert set(running.acknowledged) <= set(user_names(cluster))


@pytest.mark.parametrize(
    ("service", "network"), [("web", "default"), ("web", "database"), ("database", "database")]
)
def test_a_network_that_is_cut_and_healed_costs_no_acknowledged_write(cluster, service, network):
    """The network between balancer and one web container, and between the database and one or all.

    All is well again without help; while it is cut, the balancer reads from the others.
    """
    in_rotation(cluster, 3)
    victim = cluster.containers(service)[0]
    name = f"{cluster.name}_{network}"
    with load(cluster, readers=6) as running:
        running.wait_for_writes(20)
        cut = time.monotonic()
        cluster.engine.run("network", "disconnect", name, victim)
        try:
            time.sleep(SECONDS_CUT)
        finally:
            healed = time.monotonic()
            cluster.engine.run("network", "connect", "--alias", service, name, victim)
        running.wait_for_writes(50)
        cluster.wait_until(lambda: answered_since(running, healed), "a read")
        well = time.monotonic()
        running.wait_for_writes(50)
    assert running.failed_since(well) == []
    if network == "default":
        read = running.failed_since(cut + SECONDS_TO_NOTICE, "GET")
        assert [failure for failure in read if failure[0] < healed] == []
    assert set(running.acknowledged) <= set(user_names(cluster))
    in_rotation(cluster, 3)


def answered_since(running, moment):
    return any(read > moment for read in running.reads[-100:])


def test_web_can_be_scaled(cluster):
    cluster.up("--no-recreate", "--scale", "web=5")
    in_rotation(cluster, 5)
    cluster.up("--no-recreate", "--scale", "web=3")
    in_rotation(cluster, 3)
