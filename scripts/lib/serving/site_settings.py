"""What Apache must know of the site's settings, read as the application reads them."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.lib.command import ROOT


@dataclass(frozen=True)
class SiteSettings:
    """The settings that something else than the application uses; None if not set.

    lab, request_log: whether the coherency lab and SITE_REQUEST_LOG are on. application, path:
    SITE_APPLICATION and SITE_PATH, as text.
    """

    lab: bool
    request_log: bool
    application: str | None
    path: str | None

    @property
    def static(self):
        """The folder of the static files as text, or "none": a value for WEBPY_STATIC."""
        if not self.application:
            return str(ROOT / "app" / "static")
        return f"{self.path}/static" if self.path else "none"


def settings_file(environment, state=ROOT / "var"):
    """The path of the settings file of a site that is run from here, or None.

    It is the first of these: the file that SITE_SETTINGS in `environment` names; the checkout's,
    which your own Apache reads too; the one that scripts/serve has created in its folder `state`.
    """
    if environment.get("SITE_SETTINGS"):
        return Path(environment["SITE_SETTINGS"])
    places = (ROOT / "site.env", state / "site.env")
    return next((place for place in places if place.exists()), None)


def read_site_settings(environment):
    """Return the SiteSettings of a mapping of environment variables.

    If a setting is wrong, this process ends with that message and status.
    """
    # In another process, because an import of the settings reads the environment of its process.
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    return SiteSettings(**json.loads(done.stdout))


def main():
    """Print the settings as JSON; a wrong setting ends it with a message and status 2."""
    from app.settings import settings

    path = settings.path and str(settings.path)
    found = SiteSettings(settings.lab, settings.request_log, settings.application, path)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
