"""The lab in this process: what it answers, what it refuses, what each mode stores."""

import json
import os
import re
import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from sqlobject import sqlhub

from app.lab import handlers, page
from app.lab.modes import MODES, application
from app.settings import settings
from app.transactions import runs, transaction_per_request
from app.web import bearer, inputs
from tests.http_client import TOKEN, Client, site_client

OPERATIONS = [
    ["read", 1],
    ["write", 1, 5],
    ["add", 1, 2],
    ["read", 1],
    ["write", 2, [7]],
    ["append", 2, 8],
    ["sleep", 1],
    ["read", 2],
]
DONE = [["read", 1, 0], *OPERATIONS[1:3], ["read", 1, 7], *OPERATIONS[4:7], ["read", 2, [7, 8]]]


@contextmanager
def lab(mode, directory, **changed):
    """A Client of the lab's application in a mode, on a fresh database with three keys of 0."""
    uri = f"sqlite://{directory}/{mode}.db"
    used = replace(settings, **{"api_token": TOKEN} | changed)
    modules = (bearer, inputs)
    for module in modules:
        patch.object(module, "settings", used).start()
    try:
        bundle = transaction_per_request(uri, timeout=1) if mode == "bundle" else None
        site = application(mode, uri, bundle)
        client = Client(site.wsgifunc())
        client.mode = mode
        yield client
    finally:
        patch.stopall()
        del sqlhub.processConnection
        if hasattr(sqlhub.threadingLocal, "connection"):
            del sqlhub.threadConnection


def send(client, what, **body):
    return client.send("POST", f"/lab/{client.mode}/{what}", body)


def transact(client, *operations):
    return send(client, "transactions", operations=operations)


def get(client, *operations, what="transactions"):
    query = urlencode({"operations": json.dumps(operations)})
    headers = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}
    return client.get(f"/lab/{client.mode}/{what}", query, **headers)


def values(client, *keys):
    answer = client.get(f"/lab/{client.mode}/keys", "ids=" + ",".join(map(str, keys)))
    assert answer.status == 200
    return [answer.json["values"][str(key)] for key in keys]


@pytest.fixture(params=MODES)
def client(request, tmp_path):
    with lab(request.param, tmp_path) as client:
        assert send(client, "reset", keys=3, value=0).status == 200
        yield client


@pytest.fixture
def bundle(tmp_path):
    with lab("bundle", tmp_path) as client:
        assert send(client, "reset", keys=3, value=0).status == 200
        yield client


def test_a_transaction_runs_its_operations_in_order(client):
    answer = transact(client, *OPERATIONS)
    assert answer.status == 200
    assert answer.json["operations"] == DONE
    assert values(client, 1, 2, 3) == [7, [7, 8], 0]


def test_lists_and_counts_have_the_rows_that_their_range_says(client):
    answer = transact(
        client,
        ["insert", 4, 7],
        ["delete", 2],
        ["list", [1, 9]],
        ["list", [1, 9, 0]],
        ["count", [3, 9]],
        ["count", [1, 9, 7]],
    )
    assert [operation[2] for operation in answer.json["operations"][2:]] == [
        [[1, 0], [3, 0], [4, 7]],
        [[1, 0], [3, 0]],
        2,
        1,
    ]


def test_a_get_has_its_operations_in_the_query(client):
    asked = [["read", 1], ["list", [1, 2]], ["count", [1, 3]]]
    answer = get(client, *asked)
    assert answer.status == 200
    found = [operation[2] for operation in answer.json["operations"]]
    assert found == [0, [[1, 0], [2, 0]], 3]


def test_a_get_of_the_bundle_that_writes_is_run_again(bundle):
    answer = get(bundle, ["read", 1], ["write", 1, 5])
    assert (answer.status, answer.json["runs"], answer.headers["X-Runs"]) == (200, 2, "2")
    assert values(bundle, 1) == [5]


@pytest.mark.parametrize("what", ["streams", "apart"])
def test_operations_are_run_in_a_stream_and_apart_from_the_request_as_elsewhere(client, what):
    done = send(client, what, operations=OPERATIONS)
    assert (done.status, done.json["operations"]) == (200, DONE)
    assert values(client, 1, 2) == [7, [7, 8]]
    found = get(client, ["read", 1], ["count", [1, 2]], what=what)
    assert (found.status, found.json["operations"]) == (
        200,
        [["read", 1, 7], ["count", [1, 2], 2]],
    )
    assert found.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("what", ["streams", "apart"])
@pytest.mark.parametrize(("failing", "status"), [(["raise"], 500), (["append", 1, 2], 409)])
def test_a_stream_or_a_transaction_apart_leaves_nothing_where_it_fails(
    bundle, what, failing, status
):
    assert send(bundle, what, operations=[["write", 1, 5], failing]).status == status
    assert values(bundle, 1) == [0]


@pytest.mark.parametrize("query", ["", "operations=", "operations=[", "operations=" + "[" * 5000])
def test_a_get_without_operations_is_refused(bundle, query):
    headers = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}
    assert bundle.get("/lab/bundle/transactions", query, **headers).status == 422


def test_a_key_that_is_there_is_not_inserted(bundle):
    assert transact(bundle, ["write", 2, 9], ["insert", 1, 5]).status == 409
    assert values(bundle, 1, 2) == [0, 0]


@pytest.mark.parametrize(
    ("operations", "status", "left"),
    [
        ([["write", 1, 5], ["fail", "uncaught"]], 500, [0, 0]),
        ([["write", 1, 5], ["fail", "caught"], ["write", 2, 6]], 500, [0, 0]),
        ([["write", 1, 5], ["savepoint", [["write", 2, 6]], "raise"]], 200, [5, 0]),
        ([["write", 1, 5], ["savepoint", [["write", 2, 6]], None]], 200, [5, 6]),
        ([["savepoint", [["write", 2, 6], ["fail", "uncaught"]], None]], 200, [0, 0]),
    ],
)
def test_a_failure_undoes_the_savepoint_or_the_transaction_in_which_it_is(
    bundle, operations, status, left
):
    assert transact(bundle, *operations).status == status
    assert values(bundle, 1, 2) == left


def test_a_stock_mode_does_not_undo_what_a_savepoint_would(tmp_path):
    with lab("nocache", tmp_path) as stock:
        send(stock, "reset", keys=1, value=0)
        assert transact(stock, ["savepoint", [["write", 1, 6]], "raise"]).status == 200
        assert values(stock, 1) == [6]


def test_an_operation_for_the_commit_is_done_after_it_or_not_at_all(bundle):
    send(bundle, "reset", keys=2, value=[])
    assert transact(bundle, ["on_commit", 1, 5], ["read", 1]).json["operations"][1][2] == []
    assert transact(bundle, ["on_commit", 1, 6], ["raise"]).status == 500
    assert values(bundle, 1) == [[5]]


def visit(client, method, key, *operations):
    body = json.dumps({"operations": operations}).encode() if operations else b""
    return client.request(
        method,
        f"/lab/{client.mode}/session",
        body,
        CONTENT_TYPE="application/json",
        HTTP_AUTHORIZATION=f"Bearer {TOKEN}",
        HTTP_COOKIE=f"webpy_session_id={key:040x}",
    )


def test_a_web_session_stores_its_elements_in_its_key(bundle):
    send(bundle, "reset", keys=2, value=[])
    answer = visit(bundle, "POST", 2, ["read", 2], ["append", 2, 7])
    assert answer.json["operations"] == [["read", 2, []], ["append", 2, 7]]
    assert visit(bundle, "GET", 2).json["operations"] == [["read", 2, [7]]]
    assert values(bundle, 1, 2) == [[], [7]]
    assert visit(bundle, "POST", 2, ["read", 1]).status == 409


def test_a_request_without_the_cookie_of_a_web_session_is_refused(bundle):
    answer = bundle.get("/lab/bundle/session", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    assert answer.status == 403


def upload(client, key, content):
    body = (
        b"--b\r\nContent-Disposition: form-data; name=element; filename=e\r\n\r\n"
        + content
        + b"\r\n--b--\r\n"
    )
    return client.request(
        "POST",
        f"/lab/{client.mode}/uploads/{key}",
        body,
        CONTENT_TYPE="multipart/form-data; boundary=b",
        HTTP_AUTHORIZATION=f"Bearer {TOKEN}",
    )


def test_an_upload_is_appended_though_the_bundle_runs_it_twice(client):
    send(client, "reset", keys=1, value=[])
    answer = upload(client, 1, b"77")
    assert answer.json["operations"] == [["read", 1, []], ["append", 1, 77]]
    assert answer.json["runs"] == (2 if client.mode == "bundle" else 1)
    assert upload(client, 1, b"x").status == 200
    assert values(client, 1) == [[77, 0]]


def test_an_answer_tells_who_served_it(client):
    served_by = transact(client, ["read", 1]).json["served_by"]
    assert sorted(served_by) == ["host", "process", "thread"]
    assert served_by["process"] == os.getpid()
    assert client.get(f"/lab/{client.mode}/keys", "ids=1").json["served_by"] == served_by


def test_an_answer_of_the_first_run_says_so(client):
    assert transact(client, ["write", 1, 5]).json["runs"] == 1
    assert client.get(f"/lab/{client.mode}/keys", "ids=1").json["runs"] == 1


def test_an_answer_counts_the_run_that_a_conflict_ended(tmp_path):
    with lab("bundle", tmp_path) as bundle:
        send(bundle, "reset", keys=1, value=0)
        other = sqlite3.connect(tmp_path / "bundle.db", isolation_level=None)
        ended = []

        def begun():
            ended.append(runs())
            if len(ended) == 2:
                other.execute("ROLLBACK")
            return authorized()

        other.execute("BEGIN IMMEDIATE")
        authorized = handlers.authorize_writing
        with patch.object(handlers, "authorize_writing", begun):
            answer = transact(bundle, ["add", 1, 1])
        other.close()
        assert (answer.status, answer.json["runs"], ended) == (200, 2, [1, 2])


def test_a_reset_creates_all_keys_again(client):
    transact(client, ["write", 1, 9])
    assert send(client, "reset", keys=1200, value=[1]).status == 200
    assert values(client, 1, 1200) == [[1], [1]]
    assert send(client, "reset", keys=1, value=4).status == 200
    assert values(client, 1) == [4]
    assert client.get(f"/lab/{client.mode}/keys", "ids=2").status == 404


def test_a_mode_answers_for_no_other(client):
    other = next(mode for mode in MODES if mode != client.mode)
    answer = client.get(f"/lab/{other}/keys", "ids=1")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_handler_that_raises_leaves_nothing_in_the_bundle_and_all_in_the_recipe(client):
    answer = transact(client, ["write", 1, 5], ["raise"])
    assert answer.status == 500
    assert values(client, 1) == [0 if client.mode == "bundle" else 5]


@pytest.mark.parametrize(
    ("failing", "status"),
    [(["read", 4], 404), (["append", 1, 1], 409), (["add", 1, 2**53 - 1], 409)],
)
def test_a_refused_operation_leaves_nothing_of_those_before_it(bundle, failing, status):
    answer = transact(bundle, ["write", 2, 5], ["write", 1, 1], failing)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert values(bundle, 1, 2) == [0, 0]


def test_a_list_ends_at_its_bound(bundle):
    assert transact(bundle, ["write", 1, [0] * 5000]).status == 200
    assert transact(bundle, ["append", 1, 1]).status == 409


def test_a_list_ends_where_a_column_of_mariadb_does(bundle):
    largest = 2**53 - 1
    assert transact(bundle, ["write", 1, [largest] * 3854]).status == 200
    assert transact(bundle, ["append", 1, largest]).status == 409
    assert transact(bundle, ["write", 1, [largest] * 3855]).status == 422


@pytest.mark.parametrize(
    "operations",
    [
        None,
        [],
        {},
        [["read", 1]] * 101,
        [["sleep", 600], ["sleep", 401]],
        [["sleep", -1]],
        [["sleep", 0.5]],
        [["read"]],
        [["read", 0]],
        [["read", 20001]],
        [["read", True]],
        [["read", "1"]],
        [["write", 1, "text"]],
        [["write", 1, [1, [2]]]],
        [["write", 1, 2**53]],
        [["append", 1, [1]]],
        [["raise", 1]],
        [["drop"]],
        [[["read"], 1]],
        [[]],
        ["read"],
        [["list", [2, 1]]],
        [["list", [1, 401]]],
        [["list", [1]]],
        [["list", [1, 2, "text"]]],
        [["count", 1]],
        [["insert", 1]],
        [["delete", 0]],
        [["on_commit", 1, [1]]],
        [["fail", "quietly"]],
        [["savepoint", [], None]],
        [["savepoint", [["read", 1]], "commit"]],
        [["savepoint", [["savepoint", [["read", 1]], None]], None]],
        [["savepoint", [["read", 1]] * 60, None], ["savepoint", [["read", 1]] * 41, None]],
        [["sleep", 600], ["savepoint", [["sleep", 401]], None]],
    ],
)
def test_wrong_operations_are_refused_and_named(bundle, operations):
    answer = send(bundle, "transactions", operations=operations)
    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == ["operations"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"keys": 0, "value": 1}, "keys"),
        ({"keys": 20001, "value": 1}, "keys"),
        ({"value": 1}, "keys"),
        ({"keys": 1}, "value"),
        ({"keys": 1, "value": [0] * 5001}, "value"),
        ({"keys": 1, "value": 1, "more": 1}, "more"),
    ],
)
def test_a_wrong_reset_is_refused_and_named(bundle, body, field):
    answer = send(bundle, "reset", **body)
    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]


@pytest.mark.parametrize(
    "query", ["", "ids=", "ids=1,", "ids=x", "ids=-1", "ids=" + "1," * 100 + "1"]
)
def test_wrong_ids_are_refused_and_named(bundle, query):
    answer = bundle.get("/lab/bundle/keys", query)
    assert answer.status == 400
    assert [error["field"] for error in answer.json["errors"]] == ["ids"]


@pytest.mark.parametrize("what", ["transactions", "reset"])
def test_writing_needs_a_token(bundle, what):
    body = {"operations": [["raise"]], "keys": 1, "value": 1}
    answer = bundle.send("POST", f"/lab/bundle/{what}", body, token="another")
    assert answer.status == 401
    assert values(bundle, 2) == [0]


def test_writing_is_off_without_tokens(tmp_path):
    with lab("bundle", tmp_path, api_token=None) as client:
        assert send(client, "reset", keys=1, value=0).status == 403


def test_the_token_of_the_page_is_enough_with_its_cookie(bundle):
    token = "b" * 43

    def post(token, cookie):
        body = json.dumps({"operations": [["write", 1, 6]]}).encode()
        return bundle.request(
            "POST",
            "/lab/bundle/transactions",
            body,
            CONTENT_TYPE="application/json",
            HTTP_X_FORM_TOKEN=token,
            HTTP_COOKIE=f"form={cookie}",
        ).status

    assert post(token, "c" * 43) == 403
    assert post("x" + token, token) == 403
    assert values(bundle, 1) == [0]
    assert post(token, token) == 200
    assert values(bundle, 1) == [6]


@contextmanager
def site(directory, **changed):
    """A Client of the whole site with the lab's page."""
    used = replace(settings, **{"lab": True} | changed)
    with site_client(directory) as client, patch.object(page, "settings", used):
        yield client


def test_the_page_carries_the_token_of_its_cookie(tmp_path):
    with site(tmp_path) as client:
        answer = client.get("/lab/")
        assert answer.status == 200
        token = re.search('data-token="([^"]+)"', answer.text)[1]
        cookie = re.search("form=([^;]+)", answer.headers["Set-Cookie"])[1]
        assert token == cookie


def test_the_page_names_the_setting_that_is_missing(tmp_path):
    with site(tmp_path, lab=False) as client:
        answer = client.get("/lab/")
        assert answer.status == 404
        assert "the setting SITE_LAB is not on" in answer.text
        assert "text/html" in answer.headers["Content-Type"]
