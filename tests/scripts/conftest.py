"""A running site for the scripts that work on one, folders, and a checkout to be changed."""

import shutil

import pytest

from scripts.lib.command import ROOT
from tests.apache.server import apache, folders


@pytest.fixture(scope="session")
def site():
    """This checkout's application with 2 processes x 5 threads, the defaults of site.conf."""
    with apache() as running:
        yield running


@pytest.fixture
def folder():
    """A folder that the daemons can enter."""
    with folders() as path:
        yield path


@pytest.fixture
def checkout(folder):
    """A copy of the checkout without its environment, to be changed."""
    target = folder / "checkout"
    for name in ("app", "apache", "scripts", "wsgi"):
        shutil.copytree(ROOT / name, target / name)
    return target
