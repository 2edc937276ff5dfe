"""The site under a real Apache, one for all tests that do not change it."""

import pytest

from tests.apache.server import apache, debian_module, pypi_module


@pytest.fixture(scope="session")
def site():
    """This checkout's application with 2 processes x 5 threads, the defaults of site.conf."""
    with apache() as running:
        yield running


# The trusted proxy's address, from which tests connect.
PROXY = "127.0.0.2"
PROXY_MODULES = """
LoadModule remoteip_module modules/mod_remoteip.so
LoadModule setenvif_module modules/mod_setenvif.so
"""


@pytest.fixture(scope="session", params=[pypi_module, debian_module], ids=["own", "Debian"])
def guarded(request):
    """The same behind a trusted proxy, with 1 process x 5 threads for each kind of request.

    A writing request waits a minute for the database.
    """
    with apache(
        module=request.param(),
        processes=1,
        settings={"SITE_BUSY_TIMEOUT": "60"},
        defines={"WEBPY_TRUSTED_PROXIES": PROXY},
        extra=PROXY_MODULES,
    ) as running:
        yield running
