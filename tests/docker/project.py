"""One Compose project of the tests: the shipped files, a port and its own settings."""

import contextlib
import json
import time
from ipaddress import IPv4Network
from itertools import count, cycle, islice
from pathlib import Path

import httpx

from scripts.lib.command import ROOT
from scripts.lib.serving.ports import free_port
from tests.docker.engine import CA_BUNDLE

IMAGE = "webpy-sqlobject-site-test"
TOKEN = "token-of-the-tests-in-containers"
SINGLE = ("compose.yaml",)
CLUSTER = ("compose.yaml", "docker/cluster.yaml")
# With your application; further files may follow.
APPLICATION = ("docker/application.yaml",)

_numbers = count(1)
_networks = cycle(range(1, 250))


class Project:
    """A project of `files`, Compose files of the checkout, with further `settings`.

    url: the address of the published port, without a slash at the end.
    """

    def __init__(self, engine, files, settings, folder=ROOT):
        self.engine = engine
        self.name = f"site-test-{next(_numbers)}"
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "WEBPY_PORT": str(self.port),
            "WEBPY_IMAGE": IMAGE,
            "CA_BUNDLE": CA_BUNDLE,
            "COMPOSE_PROJECT_NAME": self.name,
            # Several projects run at once.
            "WEBPY_NETWORK": free_network(),
            **settings,
        }
        self._files = [part for file in files for part in ("--file", str(folder / file))]

    def compose(self, *command, check=True):
        """Run `docker compose` with the arguments `command`; see Engine.run."""
        return self.engine.run(
            "compose", *self._files, *command, check=check, cwd=self.folder, env=self.settings
        )

    def up(self, *options):
        """Start the project and wait until every health check passes."""
        try:
            self.compose("up", "--detach", "--wait", "--quiet-pull", *options)
        except AssertionError as error:
            logs = self.compose("logs", "--tail", "40", check=False).stdout
            raise AssertionError(f"{error}\n{logs}") from None

    def containers(self, service):
        """The ids of the service's containers that run."""
        return self.compose("ps", "--quiet", service).stdout.split()

    def inspect(self, container):
        """What the Docker engine knows of a container, as a dictionary."""
        return json.loads(self.engine.output("inspect", container))[0]

    def sh(self, command, service="web", check=True):
        """Run a shell command in the service's first container; see Engine.run."""
        return self.compose("exec", "-T", service, "sh", "-c", command, check=check)

    def log(self, *services):
        """Everything that the containers wrote."""
        return self.compose("logs", "--no-color", "--no-log-prefix", *services).stdout

    def wait_until(self, condition, what, seconds=60):
        """Wait until `condition()` is true; AssertionError that names `what` if it stays false."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.2)


def free_network():
    """The first three numbers of a network of 256 addresses that this machine has no route to.

    Docker takes a given network even if an interface has it, such as one that a killed Docker
    engine has left: then no request reaches the containers.
    """
    lines = Path("/proc/net/route").read_text().splitlines()[1:]
    routes = [_network(*line.split()[1:8:6]) for line in lines]
    for number in islice(_networks, 250):
        network = IPv4Network(f"10.89.{number}.0/24")
        if not any(network.overlaps(route) for route in routes if route.prefixlen):
            return f"10.89.{number}"
    raise AssertionError("this machine has routes to each of 10.89.1.0/24 to 10.89.249.0/24")


def _network(address, mask):
    """The network of two numbers as the kernel prints them: hexadecimal, the last byte first."""
    numbers = (".".join(map(str, reversed(bytes.fromhex(text)))) for text in (address, mask))
    return IPv4Network("/".join(numbers))


@contextlib.contextmanager
def project(engine, files=SINGLE, up=True, **settings):
    """A Project, started if `up`; removed at the end with its volumes."""
    made = Project(engine, files, {"SITE_API_TOKEN": TOKEN, **settings})
    try:
        if up:
            made.up()
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "30", "--remove-orphans", check=False)


def client(made, timeout=30):
    """An httpx client of the project with the API's token; it waits `timeout` seconds."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.Client(base_url=made.url, headers=headers, timeout=timeout)


def user_names(made):
    """The names of all users, from every page of the API's list."""
    names, after = [], 0
    with client(made) as http:
        while after is not None:
            page = http.get(f"/api/users?limit=100&after={after}").raise_for_status().json()
            names += [user["name"] for user in page["users"]]
            after = page["next"]
    return names
