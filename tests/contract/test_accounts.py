"""Signing in, the password and signing out on each engine, by the whole application."""

import pytest

from tests.http_client import Browser, site_client
from tests.threads import in_threads

PASSWORD = "open sesame"


@pytest.fixture
def client(tmp_path, uri):
    with site_client(tmp_path, uri=uri) as client:
        yield client


def add(client, name):
    values = {"name": name, "fullname": name, "password": PASSWORD}
    assert client.send("POST", "/api/users", values).status == 201


def status(browser):
    return browser.get("/account").status


def test_a_user_signs_in_changes_the_password_and_signs_out(client):
    add(client, "ada")
    browser, other = Browser(client), Browser(client)
    assert browser.sign_in("ADA", PASSWORD).status == 422
    assert browser.sign_in("ada", "wrong").status == 422
    assert [one.sign_in("ada", PASSWORD).status for one in (browser, other)] == [303, 303]
    assert "ada" in browser.get("/account").text
    fields = {"current": PASSWORD, "new": "another one", "again": "another one"}
    assert browser.post("/account/password", fields).status == 303
    assert (status(browser), status(other)) == (200, 303)
    assert browser.post("/sign-out").status == 303
    assert status(browser) == 303
    assert browser.sign_in("ada", "another one").status == 303


def test_many_sign_in_and_out_at_the_same_time(client):
    names = [f"user {number}" for number in range(8)]
    for name in names:
        add(client, name)

    def visit(name):
        browser = Browser(client)
        seen = []
        for _ in range(2):
            seen += [browser.sign_in(name, PASSWORD).status, status(browser)]
            seen += [browser.post("/sign-out").status, status(browser)]
        return seen

    seen = in_threads(*(lambda name=name: visit(name) for name in names))
    assert seen == [[303, 200, 303, 303] * 2] * 8
