"""Ports on 127.0.0.1 for servers that are started for a while."""

import contextlib
import random
import socket


def free_port():
    """A port on 127.0.0.1 that nothing listens on.

    It is below the range of outgoing connections, which could take it before the server does.
    """
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port):
    """Whether something listens on `port` of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
