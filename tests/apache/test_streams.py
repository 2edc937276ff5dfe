"""Answers of unknown length, and clients that do not read: what is logged, and not held."""

import socket

import httpx
import pytest

from scripts.lib.serving.apache import ROOT
from tests.apache.raw import head
from tests.apache.server import apache, debian_module, pypi_module, with_script

HANDLERS = """
import os, sys
sys.path.insert(0, os.environ["PROJECT"])

import web
from sqlobject import IntCol, SQLObject, connectionForURI

from app.transactions import transaction_per_request

URI = "sqlite://" + os.environ["TEST_DATA"] + "/rows.db"
urls = ("/late", "Late", "/large", "Large", "/one", "One")

class Row(SQLObject):
    value = IntCol(default=0)

class Late:
    def GET(self):
        web.header("X-Request", web.ctx.env["mod_wsgi.request_id"])
        yield f"there are {Row.select().count()} rows"
        raise ZeroDivisionError("after a part")

class Large:
    def POST(self):
        Row(value=1)
        for _ in range(64):
            yield "x" * 0x100000

class One:
    def GET(self):
        return str(Row.select().count())

    def POST(self):
        return str(Row(value=2).id)

Row.createTable(ifNotExists=True, connection=connectionForURI(URI))
made = web.application(urls, globals())
made.add_processor(transaction_per_request(URI, timeout=5))
application = made.wsgifunc()
"""


@pytest.fixture(scope="module", params=[pypi_module, debian_module], ids=["own", "Debian"])
def streams(request, tmp_path_factory):
    root = with_script(tmp_path_factory.mktemp("streams"), HANDLERS)
    settings = {"PROJECT": str(ROOT)}
    with apache(
        root, processes=1, settings=settings, path="/one", module=request.param()
    ) as running:
        yield running


def test_a_stream_that_fails_late_is_logged_with_its_request(streams):
    """Its client gets a complete answer: mod_wsgi cannot tell Apache of the failure."""
    answer = httpx.get(streams.url + "/late")
    assert (answer.status_code, answer.text) == (200, "there are 0 rows")
    logged = [line for line in streams.error_log().splitlines() if "after a part" in line]
    assert any("a handler failed after a part of its answer was sent" in line for line in logged)
    assert any(f"[{answer.headers['X-Request']}]" in line for line in logged)


def test_a_client_that_does_not_read_a_streamed_write_holds_no_lock(streams):
    before = int(httpx.get(streams.url + "/one").text)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(60)
        client.connect(("127.0.0.1", streams.server.port))
        client.sendall(head("POST", "/large", "Content-Length: 0"))
        assert client.recv(12) == b"HTTP/1.1 200"
        # It is committed, but the rest of the answer, 64 MB, cannot be sent.
        assert int(httpx.get(streams.url + "/one").text) == before + 1
        assert httpx.post(streams.url + "/one", timeout=30).status_code == 200
