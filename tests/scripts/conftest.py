"""The site under a real Apache, for the scripts that work on a running one."""

import pytest

from tests.apache.server import apache


@pytest.fixture(scope="session")
def site():
    """This checkout's application with 2 processes x 5 threads, the defaults of site.conf."""
    with apache() as running:
        yield running
