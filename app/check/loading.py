"""Imports the application as a daemon does, and says why that fails."""

import os
import sys
import threading
import time
import traceback
from typing import NamedTuple

from app.check.findings import OK, WRONG, Finding
from app.check.held import debug
from app.check.listening import own_place
from app.check.sources import is_own, sources
from app.settings import SettingsError, settings

NAME = settings.application or "the example"


class Loaded(NamedTuple):
    """How the import ended: wholly, or not, because the check has refused something in it."""

    wholly: bool
    refused: bool
    findings: list


def load(listener):
    """Import what wsgi/app.wsgi and SITE_DATABASE need; returns a Loaded."""
    started = time.monotonic()
    try:
        with listener.listening():
            _import()
    except BaseException as error:
        refused = listener.has_refused
        return Loaded(
            False, refused, [*([] if refused else [_failure(error)]), *listener.findings()]
        )
    seconds = time.monotonic() - started
    said = Finding(OK, f"{NAME} loads in {seconds:.1f} s, without a port")
    return Loaded(True, False, [said, *listener.findings()])


def _import():
    from app import application  # noqa: F401

    if settings.database:
        from app.own import import_own

        import_own(settings.database.partition(":")[0])


def give_up_after(seconds, report):
    """End this process after `seconds`; before that `report(findings)` tells where it hangs."""
    main = threading.main_thread().ident

    def end():
        place = own_place(sys._current_frames()[main]) or ()
        text = f"still loads after {seconds} s, when mod_wsgi gives it up: do less at the import"
        report([Finding(WRONG, text, *place)])
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


def _failure(error):
    # app/__init__.py has wrapped it, because an import would hide it.
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, AttributeError):
        error = error.__cause__
    file, line = _place(error)
    if isinstance(error, SettingsError):
        return Finding(WRONG, str(error), file, line)
    if isinstance(error, SystemExit):
        text = "ends the process when it is imported: write that below if __name__ == "
        return Finding(WRONG, text + '"__main__":', file, line)
    kind = type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        text = (
            f"cannot be imported: no module named {error.name}: install it into the checkout's "
            ".venv, or name the folder that has it in SITE_PATH"
        )
    else:
        text = f"cannot be imported: {kind}: {error}"
    return Finding(WRONG, text if file else f"{NAME} {text}", file, line)


def _place(error):
    """The (file, line) of the application's line that failed, or of its syntax error."""
    if isinstance(error, SyntaxError) and error.filename and is_own(error.filename):
        return error.filename, error.lineno
    own = [
        (frame.filename, frame.lineno)
        for one in (error, error.__cause__)
        if one is not None
        for frame in traceback.extract_tb(one.__traceback__)
        if is_own(frame.filename)
    ]
    if not own and isinstance(error, SettingsError) and "web.config.debug" in str(error):
        own = [one[-2:] for one in debug(sources())]
    return own[-1] if own else (None, None)
