"""The site under attack: by scanners, slow clients, and requests that can be read in two ways."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.apache.raw import AMBIGUOUS, refused

# Seconds within which a site answers unless it hangs.
HANGS = 20
SECONDS_OF_A_LOAD = 8
MODULES = "backup,crlf,csrf,exec,file,htaccess,permanentxss,redirect,sql,xss"
INFORMATIONAL = 1

SLOW = {
    "headers": ["-H"],
    "body": ["-B", "-s", "8192", "-t", "POST"],
    "reading": ["-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1"],
}


def access_log(site):
    """The text of the access log."""
    log = site.server.log
    return log.with_name(log.name.replace("error", "access")).read_text()


@pytest.mark.parametrize("form", AMBIGUOUS)
def test_an_ambiguous_request_carries_no_second_one(site, form):
    assert refused(site.server.port, form)
    assert "/smuggled" not in access_log(site)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", SLOW)
def test_others_are_answered_while_200_clients_are_slow(site, kind, tmp_path):
    program = shutil.which("slowhttptest")
    if not program:
        pytest.skip("slowhttptest is not there: apt-get install slowhttptest")
    numbers = ["-c", "200", "-r", "100", "-i", "2", "-l", str(SECONDS_OF_A_LOAD)]
    command = [program, *SLOW[kind], *numbers, "-u", site.url + "/static/icon.svg"]
    if kind == "body":
        command[-1] = site.url + "/api/users"
    taken = []
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as slow:
        while slow.poll() is None:
            told = httpx.get(site.url + "/view", timeout=HANGS)
            assert told.status_code == 200
            taken.append(told.elapsed.total_seconds())
        text = slow.stdout.read().decode()
    taken.sort()
    print(f"p99 of {len(taken)} requests: {taken[int(len(taken) * 0.99)] * 1000:.0f} ms")
    assert "200" in text and len(taken) > SECONDS_OF_A_LOAD
    assert httpx.get(site.url + "/view").status_code == 200


@pytest.mark.timeout(180)
def test_a_scanner_finds_nothing_above_informational(site, tmp_path):
    """It finds X-Frame-Options missing, say, which the Content-Security-Policy replaces."""
    program = shutil.which("wapiti")
    if not program:
        pytest.skip("wapiti is not there: apt-get install wapiti")
    report = tmp_path / "report.json"
    quiet = ["--no-bugreport", "--flush-session", "--store-session", tmp_path, "-v", "0"]
    bounds = ["--max-scan-time", "20", "--max-attack-time", "15", "-m", MODULES]
    begin = ["-u", site.url + "/", "-s", site.url + "/api/users?limit=10&after=0"]
    command = [program, *begin, "-f", "json", "-o", report, *quiet, *bounds]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    listed = [one for kind in ("vulnerabilities", "anomalies") for one in found[kind].items()]
    assert listed
    above = {
        name: [one["info"] for one in findings if one["level"] > INFORMATIONAL]
        for name, findings in listed
    }
    assert not any(above.values()), above
    assert "passwd" in access_log(site)


def test_no_secret_is_in_an_error_answer_a_log_or_a_process_title(site):
    given = {"Authorization": f"Bearer {site.token}", "Cookie": "form=" + "c" * 40}
    answers = [
        httpx.post(site.url + "/api/users", headers=given, content=body)
        for body in (b"", b"{", b'{"name": 1}', b'{"password": "hidden-password"}')
    ]
    answers.append(httpx.get(site.url + "/api/users?limit=x", headers=given))
    answers.append(httpx.post(site.url + "/missing", headers=given))
    assert all(400 <= answer.status_code < 500 for answer in answers)
    titles = [Path(f"/proc/{pid}/cmdline").read_text() for pid in site.pids()]
    assert titles
    told = [*titles, *(answer.text for answer in answers), site.error_log(), access_log(site)]
    for secret in (site.token, "c" * 40, "hidden-password"):
        assert not any(secret in text for text in told)
