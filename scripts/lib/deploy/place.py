"""Where a deployed site is, and what scripts/deploy remembers of it."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.command import CannotRun
from scripts.lib.serving.serve import write_whole

MOST_RELEASES = 5


@dataclass(frozen=True)
class Place:
    """A site called `name` in the folder `home`, served by the Apache configured in `apache`.

    pid_file: that Apache's. user: the name of the daemons' user.
    """

    name: str
    home: Path
    apache: Path
    pid_file: Path
    user: str

    @property
    def releases(self):
        """The folder with a folder for each release, named by its commit."""
        return self.home / "releases"

    @property
    def current(self):
        """The link to the release that is served."""
        return self.home / "current"

    @property
    def settings(self):
        """The settings file, which only the daemons' user reads."""
        return self.home / "site.env"

    @property
    def data(self):
        """The folder that the daemons can write."""
        return self.home / "var"

    @property
    def vhost(self):
        """The virtual host's file."""
        return self.apache / "sites-available" / f"{self.name}.conf"

    @property
    def link(self):
        """The link by which Apache reads the virtual host."""
        return self.apache / "sites-enabled" / f"{self.name}.conf"

    @property
    def define(self):
        """The Define by which a check names another release than the current one."""
        return "WEBPY_DEPLOY_" + re.sub(r"\W", "_", self.name).upper()

    def served(self):
        """The commit that `current` names, or None."""
        try:
            return Path(os.readlink(self.current)).name
        except FileNotFoundError:
            return None

    def switch(self, commit):
        """Have `current` name the release of `commit`, at one instant."""
        new = self.current.with_name(".current")
        new.unlink(missing_ok=True)
        new.symlink_to(f"releases/{commit}")
        new.replace(self.current)


@dataclass
class Memory:
    """What is remembered of a Place between two deployments.

    options: the virtual host's. history: the commits that were served, the newest last. enabled:
    names of the modules that were enabled for it.
    """

    options: dict
    history: list
    enabled: list

    @classmethod
    def read(cls, place):
        """The Memory of a Place, None where nothing is deployed. Raises CannotRun."""
        path = place.home / "deploy.json"
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise CannotRun(f"{path} is damaged ({error}): restore it from a backup") from None

    def write(self, place):
        """Save it, wholly or not at all."""
        write_whole(place.home / "deploy.json", json.dumps(vars(self), indent=1) + "\n")

    def add(self, commit):
        """Note that `commit` is served now."""
        self.history = [*(one for one in self.history if one != commit), commit]

    def before(self, commit):
        """The commit that was served before `commit`. Raises CannotRun if there is none."""
        place = self.history.index(commit) if commit in self.history else 0
        if not place:
            raise CannotRun("there is no earlier release to go back to")
        return self.history[place - 1]
