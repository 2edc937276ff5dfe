"""`docker compose up`: the site in one hardened container with SQLite on a volume."""

import re
import threading
import time

import pytest

from tests.docker.load import load
from tests.docker.project import TOKEN, client, project, user_names

pytestmark = pytest.mark.timeout(600)


def test_the_site_and_its_api_answer(single):
    with client(single) as http:
        assert "Users" in http.get("/").text
        assert http.get("/static/style.css").status_code == 200
        user = {"name": "container", "fullname": "In A Container", "password": "a password"}
        made = http.post("/api/users", json=user)
        assert made.status_code == 201
        assert http.get(made.headers["Location"]).json()["fullname"] == "In A Container"


def test_the_start_prints_the_address(single):
    assert f"the site is served on {single.url}/" in single.log("web")


def test_a_start_with_the_lab_logs_no_error(engine, image):
    """SITE_LAB=1 means on; all its processes have loaded the lab."""
    with project(engine, SITE_LAB="1") as made:
        made.wait_until(lambda: made.log("web").count("lab.wsgi'") >= 16, "16 have loaded the lab")
        assert not re.search(r":(error|crit|alert|emerg)\]|Traceback", made.log("web"))
        with client(made) as http:
            assert http.get("/lab/").status_code == 200
            made_keys = http.post("/lab/bundle/reset", json={"keys": 1, "value": 0})
            assert made_keys.status_code == 200


def test_the_port_is_open_to_this_machine_only(single):
    [container] = single.containers("web")
    [binding] = single.inspect(container)["NetworkSettings"]["Ports"]["8080/tcp"]
    assert binding == {"HostIp": "127.0.0.1", "HostPort": str(single.port)}


def test_requests_and_errors_are_logged_to_the_containers_output(single):
    with client(single) as http:
        http.get("/view?from=the-log-test")
    single.wait_until(lambda: "from=the-log-test" in single.log("web"), "the request in the log")
    assert "Attaching to Python main interpreter" in single.log("web")


def test_good_answers_of_the_balancers_probes_are_not_logged(single):
    """Other requests from the same address are logged."""
    with client(single) as http:
        assert http.get("/healthz").status_code == 200
        assert http.delete("/healthz?from=the-probe-test").status_code == 405
    single.wait_until(lambda: "from=the-probe-test" in single.log("web"), "the refusal in the log")
    assert '"GET /healthz' not in single.log("web")


def test_the_root_file_system_cannot_be_written(single):
    for place in ("/", "/srv/site", "/srv/site/app", "/etc", "/usr/bin", "/var/log/apache2"):
        refused = single.sh(f"touch {place}/x", check=False)
        assert "Read-only file system" in refused.stderr, place
    assert single.sh("touch /tmp/x && rm /tmp/x").returncode == 0


def test_every_process_is_unprivileged_and_without_capabilities(single):
    """All processes in the container, Apache's parent and the daemons included."""
    status = single.sh("cat /proc/[0-9]*/status").stdout.splitlines()
    values = {}
    for line in status:
        name, _, value = line.partition(":")
        values.setdefault(name, set()).add(value.strip())
    assert values["Uid"] == {"33\t33\t33\t33"} and values["Gid"] == {"33\t33\t33\t33"}
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert values[name] == {"0000000000000000"}, name
    assert values["NoNewPrivs"] == {"1"}


def test_memory_and_processes_are_limited(single):
    [container] = single.containers("web")
    limits = single.inspect(container)["HostConfig"]
    assert limits["Memory"] == 1024**3
    assert limits["PidsLimit"] == 512
    # All processes of the site with the lab, under full load, fit in.
    assert int(single.sh("ls -d /proc/[0-9]*/task/* | wc -l").stdout) < 400


def test_data_survive_down_and_up(engine, image):
    with project(engine) as made:
        with client(made) as http:
            user = {"name": "survivor", "fullname": "A Survivor", "password": "a password"}
            assert http.post("/api/users", json=user).status_code == 201
        before = user_names(made)
        made.compose("down")
        made.up()
        assert user_names(made) == before and "survivor" in before


def test_a_backup_goes_out_and_comes_back_while_it_serves(engine, image):
    """By the commands of the entrypoint, which `docker compose run` takes as well."""
    with project(engine) as made, client(made) as http:
        before = user_names(made)
        made.sh("docker/entrypoint backup >/tmp/site.backup")
        user = {"name": "late", "fullname": "Came Late", "password": "a password"}
        assert http.post("/api/users", json=user).status_code == 201
        made.sh("docker/entrypoint restore </tmp/site.backup")
        assert user_names(made) == before


def test_the_health_check_asks_the_database(engine, image):
    with project(engine) as made:
        [container] = made.containers("web")
        assert made.inspect(container)["State"]["Health"]["Status"] == "healthy"
        assert made.sh("docker/healthcheck").returncode == 0
        # The database has no users any more: the application runs, but is not ready.
        drop = "import sqlite3; sqlite3.connect('var/site.db').execute('DROP TABLE users')"
        made.sh(f'python -c "{drop}"')
        with client(made) as http:
            assert http.get("/healthz").status_code == 200
        assert made.sh("docker/healthcheck", check=False).returncode == 1
        made.wait_until(
            lambda: made.inspect(container)["State"]["Health"]["Status"] == "unhealthy",
            "the container is unhealthy",
        )


def test_a_stop_lets_begun_requests_end(engine, image):
    """Slow requests begun before `docker compose stop` are all answered 200."""
    with project(engine, SITE_LAB="on") as made:
        with client(made) as http:
            assert http.post("/lab/nocache/reset", json={"keys": 1, "value": 0}).is_success
        answers = []

        def slow():
            with client(made) as http:
                operations = {"operations": [["sleep", 1000], ["read", 1]]}
                answers.append(http.post("/lab/nocache/transactions", json=operations))

        threads = [threading.Thread(target=slow) for _ in range(8)]
        for thread in threads:
            thread.start()
        made.wait_until(lambda: _running(made) >= 8, "all requests have begun")
        made.compose("stop")
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers] == [200] * 8


def test_a_stop_waits_longer_for_a_begun_request_than_docker_does_by_default(engine, image):
    """A user sends for 14 s, and the stop cuts nothing; Docker waits 10 s by default."""
    with project(engine) as made:
        begun, answers = threading.Event(), []

        def body():
            yield b'{"name": "slow", "fullname": "Sent Slowly", "password": "a password"'
            for _ in range(14):
                begun.set()
                time.sleep(1)
                yield b" " * 1000
            yield b"}"

        def send():
            with client(made) as http:
                headers = {"Content-Type": "application/json"}
                answers.append(http.post("/api/users", content=body(), headers=headers))

        thread = threading.Thread(target=send)
        thread.start()
        assert begun.wait(30)
        time.sleep(1)
        made.compose("stop")
        thread.join()
        assert [answer.status_code for answer in answers] == [201]


def test_a_container_with_a_balancer_says_so_before_it_stops(engine, image):
    """With WEBPY_DRAIN it fails health checks and serves everything else; then it ends as it does
    without."""
    with project(engine, WEBPY_DRAIN="20") as made, client(made) as http:
        [container] = made.containers("web")
        assert http.get("/healthz").status_code == 200
        stop = threading.Thread(target=made.compose, args=("stop",))
        stop.start()
        made.wait_until(lambda: http.get("/readyz").status_code == 503, "/readyz answers 503", 15)
        assert http.get("/api/users").status_code == 200
        user = {"name": "late", "fullname": "Came Late", "password": "a password"}
        assert http.post("/api/users", json=user).status_code == 201
        stop.join()
        assert made.inspect(container)["State"]["ExitCode"] == 0
        made.compose("start")
        made.wait_until(lambda: _healthy(made), "the site is healthy again")
        assert http.get("/healthz").status_code == 200
        assert "late" in user_names(made)


def test_without_a_balancer_apache_is_the_first_process(engine, image):
    """Nothing stands between Docker's signals and Apache."""
    with project(engine) as made:
        assert made.sh("cat /proc/1/comm").stdout.strip() == "apache2"


def _running(made):
    """How many connections to the site's port Apache has, except those of its health check."""
    table = made.sh("cat /proc/net/tcp /proc/net/tcp6").stdout
    # Columns: number, local address:port in hexadecimal, remote, state; 01 is established.
    rows = [line.split() for line in table.splitlines()]
    return sum(row[1].endswith(f":{8080:04X}") and row[3] == "01" for row in rows if len(row) > 3)


def test_a_stop_under_load_leaves_no_write_unanswered(engine, image):
    """Exactly the writes that were acknowledged are in the database afterwards."""
    with project(engine) as made:
        before = set(user_names(made))
        with load(made) as running:
            running.wait_for_writes(20)
            made.compose("stop")
        made.compose("start")
        made.wait_until(lambda: _healthy(made), "the site is healthy again")
        assert set(user_names(made)) - before == set(running.acknowledged)


def _healthy(made):
    [container] = made.containers("web")
    return made.inspect(container)["State"]["Health"]["Status"] == "healthy"


def test_without_the_setting_there_is_no_lab(engine, image):
    with project(engine, SITE_LAB="") as made, client(made) as http:
        assert http.get("/lab/bundle/keys?ids=1").status_code == 404


def test_processes_and_threads_are_settings(engine, image):
    with project(engine, WEBPY_PROCESSES="3", WEBPY_THREADS="2") as made:
        titles = made.sh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'").stdout
        assert titles.count("(wsgi:webpy-site)") == 3


def test_no_secret_is_in_the_log(single):
    assert TOKEN not in single.log("web")
