"""The environments of the benchmark's peers, for tests that need them."""

import pytest

from scripts.lib.benchmark.peers import PEERS, peer_environments
from scripts.lib.command import CannotRun


def have_peers(database):
    """Create the peers' environments; skips the test where no package index is reached."""
    try:
        peer_environments(PEERS, database)
    except CannotRun as error:
        pytest.skip(str(error))
