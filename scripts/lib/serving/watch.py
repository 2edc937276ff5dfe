"""serve --reload: replaces the daemons when code has changed and still loads."""

from pathlib import Path

from scripts.lib.command import CannotRun
from scripts.lib.serving.daemons import groups, roll
from scripts.lib.serving.trial import try_script

WATCHED = ("app/**/*.py", "app/**/*.wsgi", "app/templates/**/*", "wsgi/app.wsgi")
# Watched in your application, whose templates may be anywhere.
WATCHED_OWN = ("**/*.py", "**/*.html", "**/*.xml", "**/templates/**/*")


class Watcher:
    """Watches the application below `root`; each look reads its files anew.

    `own`: the folder of your application, or None.
    """

    def __init__(self, root, own=None):
        self.root = root
        self.patterns = [(root, pattern) for pattern in WATCHED]
        if own:
            self.patterns += [(Path(own), pattern) for pattern in WATCHED_OWN]
        self.seen = self._times()

    def _times(self):
        times = {}
        for folder, pattern in self.patterns:
            for path in folder.glob(pattern):
                # An editor may replace the file between the listing and the look at it.
                try:
                    times[path] = path.stat().st_mtime_ns
                except FileNotFoundError:
                    continue
        return times

    def _shown(self, path):
        inside = self.root in path.parents
        return str(path.relative_to(self.root) if inside else path)

    def look(self, parent, environment):
        """Replace all daemons below the Apache `parent` if code has changed.

        If the code does not load, it prints the error and the old code goes on serving.
        """
        times = self._times()
        if times == self.seen:
            return
        changed = {path for path, _ in times.items() ^ self.seen.items()}
        self.seen = times
        print("changed:", *sorted(map(self._shown, changed)), flush=True)
        if not try_script(self.root, environment):
            print("not reloaded: the code does not load or does not answer", flush=True)
            return
        try:
            count = sum(roll(parent, name, kind=kind) for kind, name in sorted(groups(parent)))
            print(f"reloaded {count} processes", flush=True)
        except CannotRun as error:
            print(f"not all processes reloaded: {error}", flush=True)
