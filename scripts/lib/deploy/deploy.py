"""scripts/deploy: puts this checkout's site into an existing Apache, release by release."""

import contextlib
import fcntl
import os
import pwd
import shutil
from pathlib import Path

from scripts.lib.command import CannotRun, run
from scripts.lib.deploy import live, release, vhost
from scripts.lib.deploy.options import merged, parser
from scripts.lib.deploy.place import MOST_RELEASES, Memory, Place
from scripts.lib.serving.site_settings import read_site_settings


class Steps:
    """Does one step after the other and prints each; if `dry`, it only prints."""

    def __init__(self, dry, restart):
        """`restart`: whether Apache may be restarted for a changed configuration."""
        self.dry = dry
        self.restart = restart

    def __call__(self, text, function, *arguments):
        """Tell `text` and call `function`; returns what it returns."""
        print(text, flush=True)
        return None if self.dry else function(*arguments)

    @contextlib.contextmanager
    def undoing(self):
        """Yield an ExitStack whose callbacks are called only if the block fails."""
        undo = contextlib.ExitStack()
        try:
            yield undo
        except BaseException:
            if not self.dry:
                undo.close()
            raise


def deploy(place, options, steps):
    """Serve the commit that is checked out. Raises CannotRun; the earlier release then goes on."""
    memory = Memory.read(place)
    chosen = merged(options, memory)
    commit = release.commit_to_deploy()
    modules = vhost.missing_modules(place, chosen)
    if memory is None and (place.vhost.exists() or os.path.lexists(place.link)):
        raise CannotRun(
            f"{place.vhost} exists, and scripts/deploy did not write it: use another --name"
        )
    memory = memory or Memory(chosen, [], [])
    _warn_without_settings(place)
    before = place.served()
    steps(f"create the user {place.user}", release.make_user, place)
    steps(f"create {place.home} with its settings and data", release.make_home, place)
    with steps.undoing() as at_last, steps.undoing() as files:
        with steps.undoing() as new:
            folder = _make(place, commit, new, steps)
            changed = _configure(place, chosen, commit, modules, files, steps)
            steps("run scripts/check", live.check, place, folder)
        # From here on daemons may run from the release: whatever happens, it stays.
        if before is None:
            at_last.callback(_read_without_it, place)
            steps("let Apache read its configuration (graceful)", live.read_anew, place)
        else:
            steps("replace the daemons one after the other", live.go_over, place, commit)
        memory.add(commit)
        memory.options = chosen
        memory.enabled += modules
        steps("remember the options and the release", memory.write, place)
    if before is not None:
        _reread(place, changed or _apache_differs(place, before, commit), steps)
    steps(
        f"remove all but the last {MOST_RELEASES} releases",
        release.remove_old,
        place,
        memory.history,
    )
    print(f"{'would serve' if steps.dry else 'serving'} {commit} as {chosen['host']}")


def _warn_without_settings(place):
    if not place.settings.exists():
        print(
            f"no settings in {place.settings}: the example will be served; write that file first "
            "to serve your own application"
        )


def _make(place, commit, undo, steps):
    """Create the release of `commit`, and try it; returns its folder.

    undo: an ExitStack; it gets a callback that removes the release, if this has created it.
    """
    if not release.is_whole(place, commit):
        undo.callback(release.remove, place, commit)
    folder = steps(f"create release {commit}", release.make_release, place, commit)
    steps("bring the database up to its models", release.make_database, place, folder)
    steps("try it as a daemon", live.try_release, place, folder)
    return folder


def _content(place, chosen):
    variables = release.environment(place) | {"SITE_SETTINGS": str(place.settings)}
    found = read_site_settings(variables)
    static = found.static if found.application else f"{place.current}/app/static"
    return vhost.text(place, chosen, static)


def _configure(place, chosen, commit, modules, undo, steps):
    """Write Apache's files for the release of `commit`.

    Returns whether the virtual host has changed. undo: an ExitStack; it gets callbacks that put
    each of the files back.
    """
    for name in modules:
        undo.callback(vhost.disable, vhost.missing_links(place, name))
        steps(f"enable the module {name}", vhost.enable, place, name)
    if place.served() is None:
        undo.callback(place.current.unlink, missing_ok=True)
        steps(f"point {place.current} to it", place.switch, commit)
    undo.callback(vhost.put_back, place, vhost.read(place))
    return steps(
        f"write {place.vhost} and enable it",
        lambda: vhost.write(place, _content(place, chosen)),
    )


def _read_without_it(place):
    with contextlib.suppress(CannotRun):
        live.read_anew(place)


def _reread(place, changed, steps):
    """Have Apache read its configuration if that was asked for; otherwise say that it must."""
    if steps.restart:
        steps("let Apache read its configuration (graceful)", live.read_anew, place)
    elif changed and not steps.dry:
        print(
            "Apache's configuration has changed, but Apache uses it only after its next restart: "
            "run systemctl reload apache2 at a quiet hour"
        )


def _apache_differs(place, *commits):
    """Whether apache/ differs between the releases of the two `commits`."""
    texts = [
        {path.name: path.read_bytes() for path in (place.releases / one / "apache").glob("*.conf")}
        for one in commits
    ]
    return texts[0] != texts[1]


def rollback(place, _options, steps):
    """Serve the release that was served before the current one. Raises CannotRun."""
    memory = Memory.read(place)
    served = place.served()
    if memory is None or served is None:
        raise CannotRun(f"nothing is deployed in {place.home}")
    commit = memory.before(served)
    folder = place.releases / commit
    steps(f"try release {commit} as a daemon", live.try_release, place, folder)
    steps("check Apache's configuration with it", live.check_configuration, place, folder)
    steps("replace the daemons one after the other", live.go_over, place, commit)
    _reread(place, _apache_differs(place, served, commit), steps)
    print(f"{'would serve' if steps.dry else 'serving'} {commit}")


def uninstall(place, _options, steps):
    """Take the site out of Apache and remove its releases. Raises CannotRun."""
    memory = Memory.read(place)
    if memory is None:
        raise CannotRun(f"nothing is deployed in {place.home}")
    steps(f"remove {place.vhost}", vhost.remove, place)
    steps("let Apache read its configuration (graceful)", live.read_anew, place)
    steps("remove the releases", shutil.rmtree, place.releases)
    for path in (place.current, place.home / "deploy.json", place.home / ".lock"):
        steps(f"remove {path}", lambda path=path: path.unlink(missing_ok=True))
    print(f"left: {place.settings}, {place.data} and the user {place.user}")
    if memory.enabled:
        print(f"left enabled, other sites may use them: {' '.join(memory.enabled)} (a2dismod)")


def _user_of(home):
    """The name of the user who owns the site in `home`, or None; never root."""
    with contextlib.suppress(FileNotFoundError, KeyError):
        owner = (home / "var").stat().st_uid
        return pwd.getpwuid(owner).pw_name if owner != 0 else None
    return None


def _is_root(user):
    """Whether `user` is a name of root's."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(user).pw_uid == 0
    return False


@contextlib.contextmanager
def _alone(place, dry):
    """Refuse to work where another deployment is under way. Raises CannotRun."""
    if dry:
        yield
        return
    place.home.mkdir(parents=True, exist_ok=True)
    with open(place.home / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(f"another deployment to {place.home} is under way") from None
        yield


def main(arguments):
    """Deploy as the command line `arguments` say; returns the exit status."""
    options = parser().parse_args(arguments)
    if os.getuid() != 0:
        raise CannotRun("it changes Apache's configuration: run it as root")
    home = (options.home or Path("/srv", options.name)).absolute()
    place = Place(
        options.name,
        home,
        options.apache_dir.absolute(),
        options.pid_file.absolute(),
        options.user or _user_of(home) or options.name,
    )
    if _is_root(place.user):
        raise CannotRun("the site would be root's: name another user with --user")
    if not (place.apache / "sites-available").is_dir():
        raise CannotRun(
            f"{place.apache} is no configuration of Debian's Apache: apt-get install apache2 "
            "libapache2-mod-wsgi-py3, or name its folder by --apache-dir"
        )
    os.umask(0o022)
    steps = Steps(options.dry_run, options.restart)
    work = rollback if options.rollback else uninstall if options.uninstall else deploy
    with _alone(place, options.dry_run):
        work(place, options, steps)
    return 0


if __name__ == "__main__":
    run("scripts/deploy", main)
