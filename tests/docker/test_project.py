"""The tests' Compose projects: they take only what is free on the machine."""

import os
import subprocess

import pytest

from tests.docker import project


@pytest.fixture
def interface():
    """An interface that has the network 10.89.1.0/24."""
    if os.getuid() != 0:
        pytest.skip("an interface can be made by root alone: run the tests as root")
    name = f"test-{os.getpid()}"
    ip("link", "add", name, "type", "bridge")
    try:
        ip("address", "add", "10.89.1.128/24", "dev", name)
        ip("link", "set", name, "up")
        yield name
    finally:
        ip("link", "delete", name)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def test_a_network_that_an_interface_has_is_not_taken(interface, monkeypatch):
    monkeypatch.setattr(project, "_networks", iter((1, 2)))
    assert project.free_network() == "10.89.2"
