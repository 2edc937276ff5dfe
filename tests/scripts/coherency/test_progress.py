"""The progress bar: what it says, and that only a terminal gets one."""

import io
import time

import pytest

from scripts.lib.results import progress
from scripts.lib.results.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A list whose only element is the time of the bars."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_bar_moves_within_a_part(clock):
    with Progress(4, 60) as bar:
        bar.next("register, default")
        assert bar.line(100) == f"[{'':30}] about 4:00 left; {'register, default':30}"
        assert bar.line(130).startswith(f"[{'###':30}] about 3:30 left")


def test_a_part_that_takes_longer_stays_within_its_place(clock):
    with Progress(2, 60) as bar:
        bar.next("one")
        assert bar.line(1000).startswith(f"[{'#' * 15:30}] about 1:00 left")


def test_the_time_left_is_estimated_from_the_parts_done(clock):
    with Progress(3, 60) as bar:
        bar.next("one")
        clock[0] = 200
        bar.next("two")
        assert bar.line(200).startswith(f"[{'#' * 10:30}] about 3:20 left; two")


def test_a_terminal_gets_a_bar_and_a_line_for_itself(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0.001)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress(1, 60) as bar:
        bar.next("one")
        while "one" not in terminal.getvalue():
            time.sleep(0.001)
    assert terminal.getvalue().startswith("\r[") and terminal.getvalue().endswith("\n")


def test_a_file_gets_no_bar(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0.001)
    file = io.StringIO()
    monkeypatch.setattr("sys.stderr", file)
    with Progress(1, 60) as bar:
        bar.next("one")
    assert file.getvalue() == ""
