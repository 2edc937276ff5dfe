"""What is noted of a request, who hears of it, and who may read the metrics."""

import ipaddress
import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
import web

from app.settings import settings
from app.transactions import Run
from app.watch import requests
from app.watch.requests import Recorder, log_runs
from app.watch.routes import route_of
from app.watch.watch import Watch
from tests.http_client import Client


def run(end, seconds=0.001, of_request=True, used=True, hits=0, writing=True):
    return Run(writing, of_request, end, used, seconds, hits)


def answering(*runs, chunks=(b"ok",), with_headers=False, listeners=()):
    """A Client of an application whose requests have these runs."""

    def application(environ, start_response):
        for one in runs:
            requests.note(one)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return list(chunks)

    return Client(Recorder(listeners, with_headers).recorded(application))


def test_apache_is_told_the_runs_of_the_request_and_of_it_only():
    told = answering(
        run("conflict", 0.5, hits=2), run("rolled back", 0.25, of_request=False),
        run("committed", used=False), run("committed", 0.25), with_headers=True,
    ).get("/").headers  # fmt: skip
    assert told["Site-Runs"] == "2"
    assert told["Site-Ends"] == "conflict,committed"
    assert (told["Site-Database"], told["Site-Kept"]) == ("1001000", "2")


def test_a_listener_is_told_once_when_the_answer_has_ended():
    told = []
    client = answering(run("committed"), listeners=[told.append])
    client.get("/")
    [request] = told
    assert (request.status, len(request.runs)) == ("200", 1)
    assert request.seconds > 0
    client.get("/")
    assert len(told) == 2 and len(told[1].runs) == 1


def test_a_listener_that_fails_is_logged_and_the_answer_stands(caplog):
    def fails(request):
        raise LookupError

    told = []
    assert answering(listeners=[fails, told.append]).get("/").text == "ok"
    assert len(told) == 1 and "could not be reported" in caplog.text


def test_a_run_without_a_request_counts_for_no_request():
    requests.note(run("committed"))


@pytest.mark.parametrize(
    ("slow", "runs", "level"),
    [
        (1e-9, [run("committed")], logging.WARNING),
        (1e-9, [run("conflict"), run("committed")], logging.WARNING),
        (60, [run("conflict"), run("conflict"), run("committed")], logging.INFO),
        (None, [run("refused"), run("committed")], logging.INFO),
        (60, [run("committed")], None),
    ],
)
def test_a_slow_or_repeated_request_is_one_line_with_its_runs(caplog, slow, runs, level):
    caplog.set_level(logging.INFO)
    answering(*runs, listeners=[log_runs(slow)]).get("/a\nb")
    lines = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert [found for found, _ in lines] == ([level] if level else [])
    for _, text in lines:
        assert "GET '/a\\nb' answered 200" in text and "\n" not in text
        assert text.endswith(", ".join(f"{one.end} after 1.0 ms" for one in runs))


def test_a_route_is_the_pattern_that_serves_a_path():
    sub = web.application(("/x", "X"), {}, autoreload=False)
    app = web.application(("/", "A", "/users/([^/]*)", "B", "/sub", sub), {}, autoreload=False)
    route = route_of(app)
    paths = ["/", "/users/1", "/users/1/", "/sub/x", "/subx", "/nothing"]
    assert [route(path) for path in paths] == [
        "/", "/users/([^/]*)", "other", "/sub", "other", "other",
    ]  # fmt: skip
    assert route_of(lambda environ, start: None)("/") == "other"


def test_where_nobody_wants_to_know_there_is_no_observer():
    assert Watch(settings).observer is None
    assert Watch(replace(settings, request_log=True)).observer is requests.note
    assert Watch(replace(settings, slow_seconds=1.0)).observer is requests.note


@pytest.mark.parametrize(
    ("environ", "may"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, True),
        ({"REMOTE_ADDR": "::1"}, True),
        ({"REMOTE_ADDR": "10.0.0.1"}, False),
        ({"REMOTE_ADDR": ""}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "http"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_HOST": "localhost"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_VIA": "1.1 proxy"}, False),
    ],
)
def test_the_metrics_are_local_by_default_and_not_by_way_of_a_proxy(environ, may):
    from app.watch.metrics import Metrics

    default = SimpleNamespace(_networks=settings.metrics_from)
    assert Metrics._may_read(default, environ) is may
    wider = SimpleNamespace(_networks=[ipaddress.ip_network("10.0.0.0/8")])
    assert Metrics._may_read(wider, {"REMOTE_ADDR": "10.0.0.1"})
