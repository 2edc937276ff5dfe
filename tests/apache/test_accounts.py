"""Under Apache with several processes: a session that ends has ended in each of them at once."""

import os
import subprocess
import sys

import httpx
import pytest

from scripts.lib.command import ROOT
from tests.apache.server import apache, run_as_daemon, site_settings, with_script

PROCESSES = 3
PASSWORD = "open sesame"
# The site; each answer names the process that gave it.
SCRIPT = f"""
import os
import sys

sys.path.insert(0, {str(ROOT)!r})
os.environ["DATABASE_URI"] = "sqlite://" + os.environ["TEST_DATA"] + "/site.db"
from app import application as site


def application(environ, start_response):
    def start(status, headers, *error):
        return start_response(status, [*headers, ("X-Process", str(os.getpid()))], *error)

    return site(environ, start)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = with_script(tmp_path_factory.mktemp("accounts"), SCRIPT)
    settings = site_settings("/nowhere")
    with apache(root, processes=PROCESSES, threads=2, settings=settings, path="/healthz") as site:
        uri = f"sqlite://{site.data}/site.db"
        (site.root / "password").write_text(PASSWORD)
        for options in ((), ("--add-editor", "ada", "--password-file", site.root / "password")):
            command = [sys.executable, "-m", "app.database", *options]
            environ = {"DATABASE_URI": uri, "PATH": os.environ["PATH"]}
            run_as_daemon(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
        yield site


def sign_in(site, client, password=PASSWORD):
    client.get(f"{site.url}/sign-in")
    fields = {"name": "ada", "password": password, "token": client.cookies["form"]}
    return client.post(f"{site.url}/sign-in", data=fields).status_code


def statuses_in_all_processes(site, cookies):
    """The statuses of /account, asked until every reading process has answered."""
    seen = {}
    for _ in range(2000):
        # A new connection goes to whichever process is free.
        answer = httpx.get(f"{site.url}/account", cookies=cookies)
        seen.setdefault(answer.headers["X-Process"], set()).add(answer.status_code)
        if len(seen) == PROCESSES:
            return set().union(*seen.values())
    raise AssertionError(f"only {len(seen)} processes have answered")


def test_a_sign_out_on_one_process_is_seen_by_all_at_once(site):
    with httpx.Client() as client:
        for _ in range(3):
            assert sign_in(site, client) == 303
            cookies = dict(client.cookies)
            assert statuses_in_all_processes(site, cookies) == {200}
            form = {"token": client.cookies["form"]}
            assert client.post(f"{site.url}/sign-out", data=form).status_code == 303
            assert "session" not in client.cookies
            assert statuses_in_all_processes(site, cookies) == {303}


def test_a_changed_password_ends_the_other_browsers_session_in_all_processes(site):
    with httpx.Client() as client, httpx.Client() as other:
        assert (sign_in(site, client), sign_in(site, other)) == (303, 303)
        assert statuses_in_all_processes(site, dict(other.cookies)) == {200}
        fields = {"current": PASSWORD, "new": "another one", "again": "another one"}
        fields["token"] = client.cookies["form"]
        answer = client.post(f"{site.url}/account/password", data=fields)
        assert answer.status_code == 303
        assert statuses_in_all_processes(site, dict(other.cookies)) == {303}
        assert statuses_in_all_processes(site, dict(client.cookies)) == {200}
        assert sign_in(site, other, "another one") == 303


@pytest.mark.parametrize("character", ["x", "&", "%26"])
def test_who_comes_by_the_longest_address_can_sign_in(site, character):
    query = character * (8000 // len(character))
    answer = httpx.get(f"{site.url}/account?{query}")
    assert answer.status_code == 303
    assert httpx.get(f"{site.url}{answer.headers['Location']}").status_code == 200


def test_no_log_has_a_password_or_a_token(site):
    guess = "guessed-by-a-test"
    with httpx.Client() as client:
        assert (sign_in(site, client, guess), client.get(f"{site.url}/account").status_code) == (
            422,
            303,
        )
        client.get(f"{site.url}/sign-in")
        form = client.cookies["form"]
        fields = {"name": "ada", "password": guess, "token": form}
        assert client.post(f"{site.url}/sign-in?x=1", content=b"\xff" * 9).status_code == 415
        assert (
            client.post(f"{site.url}/sign-out", data={**fields, "token": "no"}).status_code == 403
        )
        assert client.post(f"{site.url}/account/password", data=fields).status_code == 403
    logs = [path.read_text(errors="replace") for path in site.server.log.parent.glob("*.log")]
    assert len(logs) >= 2 and any("/sign-in?x=1" in log for log in logs)
    for secret in (PASSWORD, guess, form):
        assert not any(secret in log for log in logs)
