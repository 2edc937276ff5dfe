"""A proxy before a database server, with which a test breaks a connection where it wants."""

import socket
import time

from scripts.lib.coherency.load import proxy


class Proxy(proxy.Proxy):
    """Passes bytes on to 127.0.0.1:`server`; `address` rewrites a database URI to go through it.

    Once `cut_after` is set, to bytes, the first message to the server that holds them is passed
    on, after `delay` seconds, and its client is cut off before any answer. Before that `at_cut()`
    is called, and with `swallow` the message is not passed on.
    """

    def __init__(self, server):
        super().__init__(server)
        self.cut_after = None
        self.delay = 0
        self.at_cut = None
        self.swallow = False
        self._disturbance = self._cut

    def _cut(self, data, link):
        if self.cut_after is None or not link.to_server or self.cut_after not in data:
            return data
        self.cut_after = None
        time.sleep(self.delay)
        if self.at_cut:
            self.at_cut()
        # Before the message is passed on, so that its answer finds nobody.
        link.source.shutdown(socket.SHUT_RDWR)
        return b"" if self.swallow else data
