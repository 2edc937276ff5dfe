"""SQLObject's own test suite passes on MariaDB through the project's class."""

import pytest

from tests.test_sqlobject_suite import outcome

pytestmark = pytest.mark.timeout(600)


def test_it_passes_with_no_test_skipped_that_the_stock_class_runs(tmp_path, mariadb_server):
    """The stock class fails three: bytes, and the empty text, from a URI without options."""
    report, stock = outcome(tmp_path, mariadb_server.new_database())
    assert stock["passed"] > 200, report
    report, ours = outcome(
        tmp_path, mariadb_server.new_database(), "-p", "tests.sqlobject_suite_plugin"
    )
    assert "failed" not in ours, report
    assert ours["skipped"] == stock["skipped"]
    assert ours["passed"] == stock["passed"] + stock.get("failed", 0)
