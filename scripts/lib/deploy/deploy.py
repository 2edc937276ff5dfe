"""scripts/deploy: the site of this checkout into an Apache that is there, release by release."""

import argparse
import contextlib
import fcntl
import os
import re
import shutil
from pathlib import Path

from scripts.lib.command import CannotRun, command_parser, mount_path, run
from scripts.lib.deploy import live, release, vhost
from scripts.lib.deploy.place import KEPT, Memory, Place
from scripts.lib.serving.daemons import LONGEST_TITLE
from scripts.lib.serving.site_settings import read_site_settings

REMEMBERED = ("host", "prefix", "certificate", "key", "acme", "define")


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/deploy",
        "Put the commit that is checked out into Debian's Apache as a release of its own, and "
        "serve it without losing a request. Options of the virtual host are remembered. Exit "
        "status 1: the new release is not good, and what was served goes on.",
    )
    what = made.add_mutually_exclusive_group()
    what.add_argument("--rollback", action="store_true", help="serve the release before")
    what.add_argument("--uninstall", action="store_true", help="remove all but the settings, the "
        "data and the user")  # fmt: skip
    add = made.add_argument
    add("--dry-run", action="store_true", help="only tell what would be done")
    add("--host", type=_host, help="the name that the site answers to; needed once")
    add("--prefix", type=mount_path, help="where it is mounted, such as /wiki (default /)")
    add("--certificate", type=_file, metavar="FILE", help="serve HTTPS: the certificate with its "
        "chain, PEM")  # fmt: skip
    add("--key", type=_file, metavar="FILE", help="the certificate's key")
    add("--acme", metavar="ADDRESS", help="serve HTTPS with a certificate that mod_md fetches; "
        "the mail address for its authority")  # fmt: skip
    add("--define", type=_define, action="append", metavar="NAME=VALUE", help="a Define of "
        "apache/site.conf, such as WEBPY_PROCESSES=4")  # fmt: skip
    add("--restart", action="store_true", help="let Apache read a changed configuration at once: "
        "a graceful restart, which cuts requests of more than 3 s")  # fmt: skip
    add("--name", type=_name, default="webpy-site", help="of the virtual host and the daemons "
        "(default webpy-site)")  # fmt: skip
    add("--home", type=Path, metavar="DIR", help="where the site is (default /srv/NAME)")
    add("--user", type=_name, help="the daemons' user (default NAME)")
    add("--apache-dir", type=Path, default=Path("/etc/apache2"), metavar="DIR", help="Apache's "
        "configuration (default /etc/apache2)")  # fmt: skip
    add("--pid-file", type=Path, default=Path("/run/apache2/apache2.pid"), metavar="FILE",
        help="Apache's (default /run/apache2/apache2.pid)")  # fmt: skip
    return made


def _name(text):
    if not re.fullmatch("[a-z][a-z0-9_-]*", text) or len(f"(wsgi:{text})") > LONGEST_TITLE:
        raise argparse.ArgumentTypeError(f"is {text!r}: write up to 10 of a-z, 0-9, - and _")
    return text


def _host(text):
    if not re.fullmatch("[A-Za-z0-9.-]+", text):
        raise argparse.ArgumentTypeError(f"is {text!r}: write a name such as site.example.org")
    return text


def _file(text):
    if not os.path.isfile(text):
        raise argparse.ArgumentTypeError(f"is {text!r}: there is no such file")
    return os.path.abspath(text)


def _define(text):
    found = re.fullmatch(r'(WEBPY_[A-Z_]+)=([^"\n]+)', text)
    if not found:
        raise argparse.ArgumentTypeError(f"is {text!r}: write one such as WEBPY_PROCESSES=4")
    return found[1], found[2]


class Steps:
    """Does one step after the other and tells each; where it is `dry` it only tells."""

    def __init__(self, dry, restart):
        """`restart`: whether Apache may be restarted for a changed configuration."""
        self.dry = dry
        self.restart = restart

    def __call__(self, text, function, *arguments):
        """Tell `text` and call `function`; returns what it returns."""
        print(text, flush=True)
        return None if self.dry else function(*arguments)


def merged(options, memory):
    """The options of the virtual host: those given now, else those remembered."""
    found = {"prefix": "/", "define": {}} | (memory.options if memory else {})
    given = {name: getattr(options, name) for name in REMEMBERED}
    given["define"] = found["define"] | dict(options.define or ())
    found |= {name: value for name, value in given.items() if value is not None}
    found = {name: found.get(name) for name in REMEMBERED}
    if not found["host"]:
        raise CannotRun("name what the site answers to: --host site.example.org")
    if options.certificate:
        found["acme"] = None
    if options.acme:
        found["certificate"] = found["key"] = None
    if bool(found["certificate"]) != bool(found["key"]):
        raise CannotRun("--certificate and --key belong together: give both")
    return found


def deploy(place, options, steps):
    """Serve the commit that is checked out. Raises CannotRun; what was served goes on."""
    memory = Memory.read(place)
    chosen = merged(options, memory)
    commit = release.commit_to_deploy()
    modules = vhost.missing_modules(place, chosen)
    if memory is None and (place.vhost.exists() or os.path.lexists(place.link)):
        raise CannotRun(f"{place.vhost} is there already, and is not ours: use another --name")
    memory = memory or Memory(chosen, [], [])
    before = place.served()
    steps(f"make the user {place.user}", release.make_user, place)
    steps(f"make {place.home}, with its settings and data", release.make_home, place)
    try:
        folder = steps(f"make release {commit}", release.make_release, place, commit)
        steps("bring the database up to its models", release.make_database, place, folder)
        steps("try it as a daemon", live.try_release, place, folder)
        if before is None:
            _first(place, chosen, memory, commit, modules, steps)
        else:
            _next(place, chosen, memory, commit, modules, steps)
    except BaseException:
        if place.served() != commit and commit not in memory.history:
            shutil.rmtree(place.releases / commit, ignore_errors=True)
        raise
    steps(f"keep the last {KEPT} releases", release.remove_old, place, memory.history)
    print(f"{'would serve' if steps.dry else 'serving'} {commit} as {chosen['host']}")


def _content(place, chosen):
    variables = release.environment(place) | {"SITE_SETTINGS": str(place.settings)}
    found = read_site_settings(variables)
    static = found.static if found.application else f"{place.current}/app/static"
    return vhost.text(place, chosen, static)


def _first(place, chosen, memory, commit, modules, steps):
    """Put a new virtual host into Apache, and take it out again where that fails."""

    def undo():
        vhost.remove(place)
        vhost.disable(place, modules)
        place.current.unlink(missing_ok=True)

    for name in modules:
        steps(f"enable the module {name}", vhost.enable, place, [name])
    try:
        steps(
            f"write {place.vhost} and enable it",
            lambda: (place.switch(commit), vhost.write(place, _content(place, chosen))),
        )
        steps("run scripts/check", lambda: live.check(place, place.releases / commit))
        memory.options, memory.enabled = chosen, modules
        steps("let Apache read its configuration (graceful)", live.read_anew, place)
        memory.add(commit)
        steps("remember it", memory.write, place)
    except BaseException:
        if not steps.dry:
            undo()
            with contextlib.suppress(CannotRun):
                live.read_anew(place)
        raise


def _next(place, chosen, memory, commit, modules, steps):
    """Replace a release that is served by another one, as the running Apache is configured."""
    steps("run scripts/check", lambda: live.check(place, place.releases / commit))
    steps("replace the daemons one after the other", live.go_over, place, commit)
    memory.add(commit)
    memory.options = chosen
    memory.enabled += modules
    steps("remember it", memory.write, place)
    for name in modules:
        steps(f"enable the module {name}", vhost.enable, place, [name])
    changed = steps(f"write {place.vhost}", _write_checked, place, chosen)
    if steps.restart:
        steps("let Apache read its configuration (graceful)", live.read_anew, place)
    elif changed or _apache_differs(place, memory):
        print(
            "Apache's configuration has changed, and is used after its next restart: deploy again "
            "with --restart at a quiet hour"
        )


def _write_checked(place, chosen):
    """Write the virtual host; one that Apache does not take is put back. Raises CannotRun."""
    before = place.vhost.read_text()
    changed = vhost.write(place, _content(place, chosen))
    try:
        live.check_configuration(place)
    except CannotRun:
        vhost.write(place, before)
        raise
    return changed


def _apache_differs(place, memory):
    """Whether the last two releases have another apache/."""
    if len(memory.history) < 2:
        return False
    texts = [
        {path.name: path.read_bytes() for path in (place.releases / one / "apache").glob("*.conf")}
        for one in memory.history[-2:]
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
    steps("replace the daemons one after the other", live.go_over, place, commit)
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
        print(
            f"left on, as other sites may use them by now: {' '.join(memory.enabled)} (a2dismod)"
        )


def _user_of(home):
    """The name of the user that the site in `home` belongs to already, or None."""
    with contextlib.suppress(FileNotFoundError, KeyError):
        return (home / "var").owner()
    return None


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
    if not (place.apache / "sites-available").is_dir():
        raise CannotRun(f"{place.apache} is no configuration of Debian's Apache: --apache-dir")
    os.umask(0o022)
    steps = Steps(options.dry_run, options.restart)
    work = rollback if options.rollback else uninstall if options.uninstall else deploy
    with _alone(place, options.dry_run):
        work(place, options, steps)
    return 0


if __name__ == "__main__":
    run("scripts/deploy", main)
