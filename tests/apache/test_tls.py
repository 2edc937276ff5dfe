"""apache/tls.conf: HTTPS by Mozilla's intermediate list, with a local authority."""

import json
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.apache import find_apache
from scripts.lib.serving.ports import free_port
from tests import told
from tests.apache.server import apache

MODULES = "".join(
    f"LoadModule {name}_module modules/mod_{name}.so\n"
    for name in ("setenvif", "socache_shmcb", "ssl", "http2")
)
SERIAL = 0x1D2C3B4A5968778695A4B3C2D1E0F001
EXTENSIONS = """\
[authority]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign,digitalSignature
[site]
subjectAltName=DNS:localhost
basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
authorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}
[ocsp]
extendedKeyUsage=OCSPSigning
"""


class Authority:
    """A certificate authority in a folder, with a certificate for localhost and an OCSP answer."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        (folder / "extensions").write_text(EXTENSIONS.format(port=self.port))
        self._openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out"
            " ca.pem -days 30 -subj /CN=Tests -addext"
            " keyUsage=critical,keyCertSign,digitalSignature"
        )
        (folder / "index").touch()
        self._sign("site", "/CN=localhost", SERIAL)
        self._sign("ocsp", "/CN=OCSP", SERIAL + 1)
        until = time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + 86400 * 20))
        (folder / "index").write_text(f"V\t{until}\t\t{SERIAL:X}\tunknown\t/CN=localhost\n")
        with (folder / "said").open("w") as said:
            self.responder = subprocess.Popen(
                f"openssl ocsp -index index -port {self.port} -rsigner ocsp.pem -rkey ocsp.key"
                " -CA ca.pem -ndays 1".split(),
                cwd=folder, stdout=said, stderr=said,
            )  # fmt: skip
        # It serves one connection after the other: a connection that only looks would block it.
        deadline = time.monotonic() + 20
        while "waiting for OCSP client" not in (folder / "said").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _sign(self, name, subject, serial):
        self._openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
            f" -keyout {name}.key -out {name}.csr -subj {subject}"
        )
        self._openssl(
            f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -set_serial {serial} -days 20"
            f" -extfile extensions -extensions {name} -out {name}.pem"
        )
        chain = (self.folder / f"{name}.pem").read_text() + (self.folder / "ca.pem").read_text()
        (self.folder / f"{name}-chain.pem").write_text(chain)

    def _openssl(self, words):
        command = ["openssl", *words.split()]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def authority():
    """An Authority that answers."""
    with tempfile.TemporaryDirectory(prefix="ca-") as name:
        made = Authority(Path(name))
        yield made
        made.responder.terminate()
        made.responder.wait(10)


def by_tls(root, port, secure, defines, extra=""):
    """A running Apache with tls.conf, by plain HTTP at `port`; see `apache`."""
    addresses = {
        "WEBPY_ADDRESS": f"127.0.0.1:{secure}",
        "WEBPY_HTTP_ADDRESS": f"127.0.0.1:{port}",
    }
    return apache(
        app_root=root,
        settings=told.SETTINGS,
        site_conf=ROOT / "apache" / "tls.conf",
        extra=f"{MODULES}{extra}Listen 127.0.0.1:{secure}\n",
        defines=defines | addresses,
        path="/.well-known/acme-challenge/token",
        port=port,
    )


@pytest.fixture(scope="module")
def site(authority, tmp_path_factory):
    """An application by HTTPS; `plain` and `secure` are its addresses."""
    folder = told.make(tmp_path_factory.mktemp("tls") / "root")
    port, secure = free_port(), free_port()
    defines = {
        "WEBPY_CERTIFICATE": authority.folder / "site-chain.pem",
        "WEBPY_CERTIFICATE_KEY": authority.folder / "site.key",
        "WEBPY_ACME_FOLDER": authority.folder,
    }
    challenge = authority.folder / ".well-known" / "acme-challenge"
    challenge.mkdir(parents=True)
    (challenge / "token").write_text("ours")
    authority.folder.chmod(0o755)
    with by_tls(folder, port, secure, defines) as running:
        running.port = secure
        running.secure = f"https://localhost:{secure}"
        running.authority = authority.folder / "ca.pem"
        yield running


def ask(site, path="/", **options):
    """Ask by HTTPS, with the authority trusted."""
    trust = ssl.create_default_context(cafile=site.authority)
    with httpx.Client(verify=trust, **options) as client:
        return client.get(site.secure + path)


def handshake(site, lowest, highest, ciphers=None):
    """The protocol and the cipher that a client with these limits gets."""
    context = ssl.create_default_context(cafile=site.authority)
    # By default Debian's OpenSSL offers no old ones.
    context.set_ciphers(ciphers or "DEFAULT:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = lowest, highest
    with (
        socket.create_connection(("127.0.0.1", site.port), 10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        return secure.version(), secure.cipher()[0]


def test_https_serves_the_site_and_tells_browsers_to_stay(site):
    got = ask(site)
    assert (got.status_code, got.text.split()[0]) == (200, "one")
    assert got.headers.get_list("Strict-Transport-Security") == ["max-age=31536000"]
    assert got.headers.get_list("X-Content-Type-Options") == ["nosniff"]


def test_both_addresses_have_one_set_of_daemons(site):
    assert len(site.pids()) == 2
    assert int(ask(site).text.split()[1]) in site.pids()


def test_http_2_is_spoken(site):
    """httpx has no HTTP/2 here; openssl tells what the handshake agrees on."""
    context = ssl.create_default_context(cafile=site.authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", site.port), 10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
    command = ["curl", "--silent", "--http2", "--cacert", site.authority, site.secure]
    command += ["--write-out", " %{http_version} %{http_code}", "--noproxy", "*"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.endswith(" 2 200")


@pytest.mark.parametrize("path", ["/", "/page?a=1&b=%2F", "/a%20b"])
def test_plain_http_is_redirected_to_the_same_address_whatever_the_host(site, path):
    got = httpx.get(site.url + path, headers={"Host": "evil.example.org"})
    assert got.status_code == 308
    assert got.headers["Location"] == f"https://localhost{path}"
    assert "Strict-Transport-Security" not in got.headers
    assert httpx.post(site.url + path).status_code == 308


def test_plain_http_answers_the_authority_and_nothing_else(site):
    assert httpx.get(f"{site.url}/.well-known/acme-challenge/token").text == "ours"
    assert (
        httpx.get(f"{site.url}/.well-known/acme-challenge/..%2f..%2fsite.key").status_code != 200
    )
    assert httpx.get(f"{site.url}/site.key").status_code == 308


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_todays_protocols_are_spoken(site, version):
    protocol, cipher = handshake(site, version, version)
    assert protocol == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert "GCM" in cipher or "CHACHA20" in cipher


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    ("lowest", "highest", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, None),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256"),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA"),
    ],
)
def test_old_protocols_and_ciphers_are_refused(site, lowest, highest, ciphers):
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        handshake(site, lowest, highest, ciphers)


def test_the_authoritys_answer_is_stapled(site):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-status"]
    command += ["-servername", "localhost", "-CAfile", site.authority]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert "OCSP Response Status: successful" in done.stdout, done.stdout + site.error_log()
    assert "Cert Status: good" in done.stdout


def test_a_site_without_a_certificate_is_refused(tmp_path):
    configuration = tmp_path / "apache.conf"
    lines = ["ServerRoot /usr/lib/apache2", "LoadModule mpm_event_module modules/mod_mpm_event.so"]
    lines += [f"Define WEBPY_ROOT {ROOT}", f"Include {ROOT}/apache/tls.conf"]
    configuration.write_text("\n".join(lines))
    command = [find_apache(), "-f", configuration, "-t"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Define WEBPY_CERTIFICATE and WEBPY_CERTIFICATE_KEY" in done.stderr


def test_with_mod_md_apache_comes_up_before_there_is_a_certificate(tmp_path):
    """There is no authority here: nothing is fetched, and plain HTTP answers."""
    root = told.make(tmp_path / "root")
    port, secure = free_port(), free_port()
    extra = f"LoadModule md_module modules/mod_md.so\nMDStoreDir {tmp_path}/md\n"
    extra += f"MDCertificateAuthority http://127.0.0.1:{free_port()}/directory\n"
    defines = {
        "WEBPY_ACME_CONTACT": "admin@example.org",
        "WEBPY_SERVER_NAME": "site.example.org",
    }
    with by_tls(root, port, secure, defines, extra) as site:
        got = httpx.get(site.url, headers={"Host": "site.example.org"})
        assert got.headers["Location"] == "https://site.example.org/"
        assert (tmp_path / "md" / "domains" / "site.example.org" / "md.json").exists()


# Findings about the local authority and a test's short certificate, not about the configuration.
OF_THE_AUTHORITY = {
    "cert_chain_of_trust", "cert_crlDistributionPoints", "cert_caIssuers", "cert_notAfter",
    "DNS_CAArecord", "cert_expirationStatus", "cert_validityPeriod",
    # About the tool's openssl.
    "engine_problem",
}  # fmt: skip


@pytest.mark.timeout(300)
def test_testssl_finds_nothing(site, tmp_path):
    """Protocols, forward secrecy, certificate and headers: the rest takes a minute more.

    All of it: `testssl --add-ca CA.pem site.example.org`.
    """
    program = shutil.which("testssl") or shutil.which("testssl.sh")
    if not program:
        pytest.skip("testssl.sh is missing: run scripts/install --test")
    report = tmp_path / "report.json"
    command = [program, "--quiet", "--color", "0", "--jsonfile", report, "--ip", "127.0.0.1"]
    command += ["--protocols", "--fs", "--server-defaults", "--headers"]
    command += ["--add-ca", site.authority, "--nodns", "none", "--warnings", "batch"]
    done = subprocess.run(
        [*command, f"localhost:{site.port}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    found = json.loads(report.read_text())
    assert len(found) > 40, done.stdout + done.stderr
    bad = {
        one["id"]: f"{one['severity']}: {one['finding']}"
        for one in found
        if one["severity"] not in ("OK", "INFO", "DEBUG") and one["id"] not in OF_THE_AUTHORITY
    }
    assert not bad
