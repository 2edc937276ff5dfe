"""The Docker engine, the image and the running projects, each created when first asked for."""

import sys

import pytest

from tests.docker.engine import running_engine, stand_ins
from tests.docker.project import CLUSTER, project


@pytest.fixture(scope="session")
def engine():
    """A Docker engine with the official images, or with stand-ins, whose names it prints."""
    with running_engine() as running, stand_ins(running) as names:
        if names:
            # A process of pytest-xdist has no terminal, but has its parent's standard error.
            told = f"\nstand-ins made from Debian's packages: {', '.join(names)}\n"
            sys.__stderr__.write(told)
        yield running


@pytest.fixture(scope="session")
def image(engine):
    """The name of the site's image, built from this checkout."""
    with project(engine, up=False) as made:
        made.compose("build")
        yield made.settings["WEBPY_IMAGE"]


@pytest.fixture(scope="session")
def single(engine, image):
    """The project of `docker compose up`, running with the lab on; leave it as it was."""
    with project(engine, SITE_LAB="on") as made:
        yield made


@pytest.fixture(scope="module")
def cluster(engine, image):
    """The cluster with three web containers and the lab on; leave it with three that are up."""
    with project(engine, CLUSTER, SITE_LAB="on") as made:
        yield made
