"""Where a request is answered: which host, process and thread."""

import os
import socket
import threading


def served_by():
    """Return a dict of the host's name, the process id, and the kernel's id of the thread."""
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "thread": threading.get_native_id(),
    }
