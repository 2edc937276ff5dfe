"""pytest plugin of `scripts/test --strict`: a skipped test fails the run."""

skipped = []


def pytest_runtest_logreport(report):
    """Note a skipped test; an expected failure does not count."""
    if report.skipped and not hasattr(report, "wasxfail"):
        skipped.append(report.nodeid)


def pytest_collectreport(report):
    """Note a module or folder that was skipped as a whole."""
    if report.skipped:
        skipped.append(report.nodeid)


def pytest_sessionfinish(session):
    """Fail a run that would pass although tests were skipped."""
    if skipped and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    """Say which tests were skipped."""
    if skipped:
        terminalreporter.section("--strict: skipped, so the run fails", red=True)
        for nodeid in skipped:
            terminalreporter.write_line(nodeid)
