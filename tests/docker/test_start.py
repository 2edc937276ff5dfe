"""How the container starts: wrong settings stop it with a message, secrets come from files."""

import subprocess

import pytest

pytestmark = pytest.mark.timeout(600)
WAIT = {"WEBPY_DATABASE_WAIT": "3"}
OPTIONS = ("--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none")


def start(engine, image, *options, command=(), **environment):
    """Run a container of the image until it ends; returns subprocess's CompletedProcess."""
    given = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
    return engine.run(
        "run", *OPTIONS, "--tmpfs", "/srv/site/var:uid=33", *options, *given, image, *command,
        check=False, timeout=100,
    )  # fmt: skip


@pytest.mark.parametrize(
    "environment, named",
    [
        ({"SITE_API_TOKEN": "short"}, "SITE_API_TOKEN needs at least 16"),
        ({"SITE_DEMO": "perhaps"}, "SITE_DEMO is 'perhaps'"),
        ({"SITE_DEMOS": "on"}, "SITE_DEMOS in the environment is not a setting"),
        ({"DATABASE_URI": "sqlite:site.db"}, "DATABASE_URI needs an absolute path"),
        ({"DATABASE_URI": "mysql://site@db/site"}, "DATABASE_URI cannot"),
        ({"DATABASE_URI": "sqlite:///etc/site.db"}, "set DATABASE_URI to another place"),
        ({"SITE_API_TOKEN_FILE": "/nowhere"}, "SITE_API_TOKEN_FILE is '/nowhere'"),
        ({"SITE_API_TOKEN_FILE": "/dev/null"}, "SITE_API_TOKEN_FILE names /dev/null"),
        ({"SITE_API_TOKEN_FILE": "/x", "SITE_API_TOKEN": "t" * 16}, "are both set"),
        ({"WEBPY_PROCESSES": "two"}, "WEBPY_PROCESSES is 'two'"),
        ({"WEBPY_DATABASE_WAIT": "0"}, "WEBPY_DATABASE_WAIT is '0'"),
        ({"WEBPY_DRAIN": "0"}, "WEBPY_DRAIN is '0': write a whole number from 1 to 60"),
        ({"WEBPY_THREADS": "500"}, "WEBPY_THREADS is '500'"),
        ({"WEBPY_TRUSTED_PROXIES": "here"}, "WEBPY_TRUSTED_PROXIES is 'here'"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(engine, image, environment, named):
    ended = start(engine, image, **environment)
    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_volume_that_cannot_be_written_stops_the_start(engine, image):
    ended = start(engine, image, "--tmpfs", "/srv/site/var:uid=0,mode=755")
    assert ended.returncode == 2
    assert "Let the user www-data write the file and its directory" in ended.stderr


def test_a_missing_database_server_is_waited_for_but_not_for_ever(engine, image):
    uri = "postgres://site:secret-password@127.0.0.1:1/site"
    ended = start(engine, image, DATABASE_URI=uri, **WAIT)
    assert ended.returncode == 2
    assert "waiting at most 3 s for the database of DATABASE_URI" in ended.stderr
    assert "correct the host, port, user, password" in ended.stderr
    assert "secret-password" not in ended.stderr + ended.stdout


def test_a_table_that_contradicts_its_model_stops_the_start_with_status_3(engine, image):
    script = """
        set -e
        python -m app.database
        python -c "import sqlite3
sqlite3.connect('var/site.db').execute('ALTER TABLE users DROP COLUMN fullname')"
        exec docker/entrypoint"""
    ended = start(engine, image, "--entrypoint", "sh", command=("-c", script))
    assert ended.returncode == 3
    assert "table users: column fullname is missing" in ended.stderr
    assert "ALTER TABLE" in ended.stderr and "Traceback" not in ended.stderr


def test_a_column_that_the_model_does_not_have_is_left_and_the_site_starts(engine, image):
    """The containers of an earlier image use it during a rolling deployment."""
    script = """
        set -e
        python -m app.database
        python -c "import sqlite3
sqlite3.connect('var/site.db').execute('ALTER TABLE users ADD COLUMN email TEXT')"
        docker/entrypoint &
        for try in $(seq 300); do docker/healthcheck && exit 0; sleep 0.1; done
        exit 1"""
    ended = start(engine, image, "--entrypoint", "sh", command=("-c", script))
    assert ended.returncode == 0, ended.stderr
    assert "table users: left column email, not in the model" in ended.stdout


@pytest.mark.parametrize("name", ["DATABASE_URI", "SITE_API_TOKEN"])
def test_a_secret_can_be_given_in_a_file(engine, image, name, tmp_path):
    value = "sqlite:////srv/site/var/of-the-file.db"
    (tmp_path / "secret").write_text(f"{value}\n")
    tmp_path.chmod(0o755)
    mount = ("--volume", f"{tmp_path}/secret:/run/a-secret:ro")
    command = ("python", "-c", f"import os; print(os.environ['{name}'])")
    ended = start(engine, image, *mount, command=command, **{f"{name}_FILE": "/run/a-secret"})
    assert (ended.returncode, ended.stdout) == (0, f"{value}\n"), ended.stderr


def test_an_empty_address_of_the_database_counts_as_not_set(engine, image):
    """A line `DATABASE_URI=` in .env gives it: the database is the file."""
    command = ("python", "-m", "app.database")
    ended = start(engine, image, command=command, DATABASE_URI="")
    assert "database sqlite:///srv/site/var/site.db" in ended.stdout, ended.stderr


def test_containers_that_start_at_the_same_time_create_one_database(engine, image):
    """Six with one volume: one table, created once, with one set of sample users."""
    engine.run("volume", "create", "site-test-race")
    command = ["docker", "run", "--rm", "--volume", "site-test-race:/srv/site/var"]
    making = [*command, image, "python", "-m", "app.database"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    try:
        started = [subprocess.Popen(making, env=engine.environment, **options) for _ in range(6)]
        said = [process.communicate()[0] for process in started]
        assert [process.returncode for process in started] == [0] * 6, said
        assert sum("table users: created" in text for text in said) == 1
        counted = engine.output(
            *command[1:], image, "python", "-c",
            "from app import load_sqlo; load_sqlo(); from app.models import User; "
            "print(User.select().count())",
        )  # fmt: skip
        assert counted == "3"
    finally:
        engine.run("volume", "rm", "--force", "site-test-race", check=False)
