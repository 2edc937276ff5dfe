"""The site under attack: by scanners, by slow clients, and by requests that two servers read apart."""

import json
import shutil
import subprocess

import httpx
import pytest

from tests.apache.raw import connect

# Seconds: a site that hangs takes longer.
HANGS = 20
SECONDS_OF_A_LOAD = 8
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
MODULES = "backup,crlf,csrf,exec,file,htaccess,permanentxss,redirect,sql,xss"
INFORMATIONAL = 1

SLOW = {
    "headers": ["-H"],
    "body": ["-B", "-s", "8192", "-t", "POST"],
    "reading": ["-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1"],
}

# What stands in the head behind the Host, and the body.
AMBIGUOUS = {
    "both lengths": (["Content-Length: 58", "Transfer-Encoding: chunked"], "0\r\n\r\n" + SMUGGLED),
    "two lengths": (["Content-Length: 0", "Content-Length: 53"], SMUGGLED),
    "a list of lengths": (["Content-Length: 0, 53"], SMUGGLED),
    "a signed length": (["Content-Length: +0"], SMUGGLED),
    "an unknown coding": (["Transfer-Encoding: xchunked"], SMUGGLED),
    "chunked not last": (["Transfer-Encoding: chunked, identity"], "0\r\n\r\n" + SMUGGLED),
    "a blank before the colon": (["Transfer-Encoding : chunked"], "0\r\n\r\n" + SMUGGLED),
    "a folded header": (["X: a", " Transfer-Encoding: chunked"], "0\r\n\r\n" + SMUGGLED),
    "a bare line feed": (["X: a\nTransfer-Encoding: chunked"], "0\r\n\r\n" + SMUGGLED),
    "a chunk of no size": (["Transfer-Encoding: chunked"], "x\r\n\r\n" + SMUGGLED),
    "a chunk of a huge size": (["Transfer-Encoding: chunked"], "f" * 17 + "\r\n" + SMUGGLED),
}


def access_log(site):
    """The text of the access log."""
    log = site.server.log
    return log.with_name(log.name.replace("error", "access")).read_text()


def answered(site, sent):
    """All that comes back for the text `sent` until the site closes the connection."""
    told = b""
    with connect(site) as connection:
        connection.sendall(sent.encode())
        connection.settimeout(HANGS)
        while more := connection.recv(65536):
            told += more
    return told.decode()


@pytest.mark.parametrize("form", AMBIGUOUS)
def test_an_ambiguous_request_carries_no_second_one(site, form):
    lines, body = AMBIGUOUS[form]
    sent = "\r\n".join(["POST /api/users HTTP/1.1", "Host: localhost", *lines]) + "\r\n\r\n" + body
    told = answered(site, sent)
    assert told.count("HTTP/1.1 ") == 1 and told.startswith("HTTP/1.1 4")
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
    """X-Frame-Options, for one, which the Content-Security-Policy has taken over."""
    program = shutil.which("wapiti")
    if not program:
        pytest.skip("wapiti is not there: apt-get install wapiti")
    report = tmp_path / "report.json"
    quiet = ["--no-bugreport", "--flush-session", "--store-session", tmp_path, "-v", "0"]
    bounds = ["--max-scan-time", "20", "--max-attack-time", "15", "-m", MODULES]
    command = [program, "-u", site.url + "/", "-f", "json", "-o", report, *quiet, *bounds]
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
    assert "/view" in access_log(site)
