"""A running scripts/serve, for tests."""

import contextlib
import subprocess
import sys
import time

from scripts.lib.command import ROOT
from scripts.lib.serving.ports import free_port
from tests.apache.server import TOKEN, hermetic_environment

DEADLINE = 60


class Serve:
    """A running `scripts/serve` and what it has printed."""

    def __init__(self, folder, checkout, *options, settings=None):
        """`settings`: variables of the site's in the environment."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = folder / f"output-{self.port}"
        self.var = folder / "var"
        environment = hermetic_environment(folder) | {
            "SITE_API_TOKEN": TOKEN,
            "PYTHONPATH": str(checkout),
            **(settings or {}),
        }
        del environment["SITE_SETTINGS"]
        command = [ROOT / "scripts" / "serve"]
        if checkout != ROOT:
            command = [sys.executable, "-P", "-m", "scripts.lib.serving.serve"]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), "--var", self.var, *options],
                env=environment,
                cwd=folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def text(self):
        """What it has printed."""
        return self.output.read_text()

    def wait_for(self, text):
        """Wait until it has printed `text`; fails if it ends before, or after a deadline."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.text():
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.05)


@contextlib.contextmanager
def serving(folder, *options, checkout=ROOT, settings=None):
    """Run scripts/serve on a state folder in `folder` until the block ends."""
    serve = Serve(folder, checkout, *options, settings=settings)
    try:
        serve.wait_for("serving on ")
        yield serve
    finally:
        serve.process.terminate()
        serve.process.wait(DEADLINE)
