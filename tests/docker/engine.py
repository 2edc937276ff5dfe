"""A Docker engine for the tests: the one that answers, or one that root starts here.

Its Compose is the plugin that scripts/install --test unpacks. An engine started here has its
images in .venv/docker/data, for a quick second run; its containers and networks are removed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.apache import tail

HOME = ROOT / ".venv" / "docker"
PLUGIN = HOME / "cli-plugins" / "docker-compose"
STAND_INS = Path(__file__).parent / "stand_ins"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
SECONDS_TO_START = 60


class Engine:
    """Runs docker's commands against one Docker engine; `own`: whether the tests started it."""

    def __init__(self, host=None):
        """`host`: the address of the engine as DOCKER_HOST takes it; None for the default."""
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SITE_", "WEBPY_", "COMPOSE_")) and name != "DATABASE_URI"
        }
        self.environment |= {"DOCKER_CONFIG": str(HOME), "DOCKER_BUILDKIT": "1"}
        self.own = host is not None
        if host:
            self.environment["DOCKER_HOST"] = host

    def run(self, *command, check=True, **options):
        """Run `docker` with the arguments `command`; returns subprocess's CompletedProcess.

        Its stdout and stderr are text. Raises AssertionError with both if it fails.
        """
        environment = self.environment | options.pop("env", {})
        done = subprocess.run(
            ["docker", *command], env=environment, capture_output=True, text=True, **options
        )
        if check and done.returncode != 0:
            raise AssertionError(f"docker {' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return done

    def output(self, *command, **options):
        """Return what `docker` with the arguments `command` prints, without the last newline."""
        return self.run(*command, **options).stdout.rstrip("\n")

    def answers(self):
        """Whether a Docker engine answers at the address."""
        return self.run("info", check=False).returncode == 0

    def has_image(self, name):
        """Whether the engine has the image or can pull it."""
        return any(
            self.run(*verb, name, check=False).returncode == 0
            for verb in (("image", "inspect"), ("pull", "--quiet"))
        )


@contextlib.contextmanager
def stand_ins(engine):
    """Build from Debian's packages those of the three official images that cannot be pulled.

    Yields the names of all stand-ins. On an engine that the tests did not start, those built here
    are removed at the end.
    """
    made = _make_stand_ins(engine)
    try:
        listed = ("images", "--filter", "label=stand-in", "--format", "{{.Repository}}:{{.Tag}}")
        yield sorted(engine.output(*listed).split())
    finally:
        if made and not engine.own:
            engine.run("rmi", *reversed(made))


def _make_stand_ins(engine):
    made = []
    if not engine.has_image("debian:trixie-slim"):
        with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
            command = [STAND_INS / "debian", f"{folder}/root"]
            done = subprocess.run(command, env=engine.environment, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(
                "debian:trixie-slim can neither be pulled nor built by debootstrap: run "
                f"scripts/install --test as root\n{done.stdout[-500:]}\n{done.stderr[-500:]}"
            )
        made.append("debian:trixie-slim")
    for name in ("postgres:17", "haproxy:3.0"):
        if not engine.has_image(name):
            folder = str(STAND_INS / name.partition(":")[0])
            # By the Docker engine's builder: newer clients have BuildKit only as another plugin.
            builder = {"DOCKER_BUILDKIT": "0"}
            engine.run("build", "--quiet", "--tag", name, folder, env=builder)
            made.append(name)
    return made


@contextlib.contextmanager
def running_engine():
    """Yield an Engine that answers; skips the test if there is none and none can be started."""
    if not shutil.which("docker") or not PLUGIN.exists():
        pytest.skip("Docker or its Compose plugin is missing: run scripts/install --test")
    engine = Engine()
    if engine.answers():
        yield engine
        return
    with _own_engine() as engine:
        yield engine


@contextlib.contextmanager
def _own_engine():
    daemon = shutil.which("dockerd", path="/usr/sbin:/usr/bin")
    if not daemon or os.getuid() != 0:
        pytest.skip("no Docker engine answers: as root run scripts/install --test, then the tests")
    bridge = Path("/sys/class/net/docker0").exists()
    mounted = _mount_cgroups()
    # The path of a socket has at most 108 bytes.
    with tempfile.TemporaryDirectory(prefix="docker-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        engine = Engine(f"unix://{folder}/socket")
        log = folder / "log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [daemon, "--data-root", HOME / "data", "--exec-root", folder / "run"]
                + ["--pidfile", folder / "pid", "-H", f"unix://{folder}/socket"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            _wait_for(engine, process, log)
            yield engine
        finally:
            _stop(process)
            if not bridge:
                subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True)
            if mounted:
                subprocess.run(["cgroupfs-umount"], capture_output=True)


def _mount_cgroups():
    """Mount the control groups unless they are mounted; returns whether it did."""
    groups = Path("/sys/fs/cgroup")
    if os.path.ismount(groups / "memory") or (groups / "cgroup.controllers").exists():
        return False
    if not shutil.which("cgroupfs-mount"):
        pytest.skip("cgroupfs-mount is missing: run scripts/install --test")
    return subprocess.run(["cgroupfs-mount"], capture_output=True).returncode == 0


def _wait_for(engine, process, log):
    deadline = time.monotonic() + SECONDS_TO_START
    while not engine.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.skip(
                "dockerd does not start, it needs a machine on which root may mount and make "
                f"networks:\n{tail(log, 15)}"
            )
        time.sleep(0.3)


def _stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
