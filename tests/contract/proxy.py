"""A TCP proxy before a database server, with which a test breaks a connection where it wants."""

import contextlib
import socket
import threading
import time


class Proxy:
    """Passes bytes on to 127.0.0.1:`port`; `address` rewrites a database URI to go through it.

    Once `cut_after` is set, to bytes, the first message to the server that holds them is passed
    on, after `delay` seconds, and its connection is then cut without an answer. Before that
    `at_cut()` is called, and with `swallow` the message is not passed on. While `silent` is set
    nothing is passed on, as by a network that swallows packets.
    """

    def __init__(self, port):
        self._server = port
        self.cut_after = None
        self.delay = 0
        self.at_cut = None
        self.swallow = False
        self.silent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def address(self, uri):
        return uri.replace(f":{self._server}/", f":{self.port}/")

    def close(self):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server))
                except OSError:
                    client.close()
                    continue
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.silent.is_set():
                    continue
                marked = self.cut_after is not None and self.cut_after in data
                if marked:
                    self.cut_after = None
                    time.sleep(self.delay)
                    # The client is cut off before the message is passed on, so no answer reaches
                    # it.
                    if self.at_cut:
                        self.at_cut()
                    source.shutdown(socket.SHUT_RDWR)
                    if self.swallow:
                        break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
