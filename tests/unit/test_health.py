"""/healthz and /readyz: what a process answers, and what it needs of its database."""

import logging

import pytest
from sqlobject import sqlhub

from app.settings import settings
from app.transactions import connection_for
from app.watch.watch import Watch
from tests.http_client import Client, site_client
from tests.servers import Files


@pytest.fixture
def client(tmp_path, monkeypatch):
    with site_client(tmp_path) as site:
        # As load_sqlo() leaves it where a process has one processor.
        connection = connection_for(f"sqlite://{tmp_path}/site.db")
        monkeypatch.setattr(sqlhub, "processConnection", connection, raising=False)
        yield Client(Watch(settings).served(site.site))


def test_both_answer_where_all_is_well(client):
    for path in ("/healthz", "/readyz"):
        answer = client.get(path)
        assert (answer.status, answer.text) == (200, "ok\n")
        assert answer.headers["Cache-Control"] == "no-store"
        assert client.request("HEAD", path).body == b""


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_another_method_is_405(client, path):
    answer = client.request("POST", path)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_all_other_addresses_are_the_applications(client):
    assert client.get("/view").status == 200
    assert client.get("/healthz/").status == 404


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("SELECT 1", 200),
        ("ALTER TABLE users DROP COLUMN fullname", 503),
        ("DROP TABLE users", 503),
    ],
)
def test_ready_needs_the_tables_and_columns_and_well_does_not(
    client, tmp_path, caplog, statement, status
):
    Files(tmp_path).execute(statement, "site.db")
    assert client.get("/readyz").status == status
    assert client.get("/healthz").status == 200
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any("/readyz answers 503" in record.getMessage() for record in told) == (status == 503)


def test_ready_needs_the_file_and_well_does_not(client, tmp_path):
    assert client.get("/readyz").status == 200
    for file in tmp_path.glob("site.db*"):
        file.write_bytes(b"broken" * 1000)
    answer = client.get("/readyz")
    assert (answer.status, answer.text) == (503, "not ready: the error log has the reason\n")
    assert client.get("/healthz").status == 200
