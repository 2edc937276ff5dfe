"""The site under a real Apache, one for all tests that do not change it."""

import pytest

from tests.apache.server import apache


@pytest.fixture(scope="session")
def site():
    """This checkout's application with 2 processes x 5 threads, the defaults of site.conf."""
    with apache() as running:
        yield running
