"""scripts/reload: serves changed code without losing a request."""

from pathlib import Path

from scripts.lib.command import ROOT, CannotRun, command_parser, run
from scripts.lib.serving.configuration import follow, remember
from scripts.lib.serving.daemons import LONGEST_TITLE, daemon_pids, roll_site, site_groups
from scripts.lib.serving.trial import try_as_daemon


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/reload", "Replace the site's daemon processes one after the other."
    )
    made.add_argument(
        "--pid-file",
        type=Path,
        default=ROOT / "var" / "apache" / "apache.pid",
        metavar="FILE",
        help="Apache's pid file (default: that of scripts/serve; Debian's own Apache has"
        " /run/apache2/apache2.pid)",
    )
    made.add_argument("--name", default="webpy-site", help="the WEBPY_NAME of apache/site.conf")
    made.add_argument("--untried", action="store_true", help="do not try first whether the code "
        "loads, for an application that only loads inside Apache")  # fmt: skip
    made.add_argument("--apache", type=Path, metavar="FILE", help="replace nothing; have the "
        "Apache with this main configuration use what has changed in it, at an instant without a "
        "request (apache/systemd/)")  # fmt: skip
    made.add_argument("--remember", action="store_true", help="with --apache: note that "
        "Apache has just been started")  # fmt: skip
    return made


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    made = parser()
    options = made.parse_args(arguments)
    if len(f"(wsgi:{options.name})") > LONGEST_TITLE:
        made.error("argument --name: its processes could not be found: use up to 10 characters")
    if options.remember and not options.apache:
        made.error("argument --remember: goes with --apache")
    return options


def read_pid(path):
    """The process id in the file `path`. Raises CannotRun if there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError) as error:
        raise CannotRun(
            f"no process id in {path} ({error}): is Apache running? Name its pid file with"
            " --pid-file"
        ) from None


def try_first(parent, name):
    """Try the new code as the daemons of the site `name` would run it; raises CannotRun."""
    pids = [
        pid for kind, _ in site_groups(parent, name) for pid in daemon_pids(parent, name, kind)
    ]
    if pids:
        try_as_daemon(min(pids))


def configure(options, parent):
    """Remember the configuration, or have Apache use what has changed; returns the exit status."""
    noted = options.pid_file.with_name("webpy-configuration")
    if options.remember:
        remember(options.apache.absolute(), noted)
    else:
        print(follow(options.apache.absolute(), parent, noted))
    return 0


def main(arguments):
    """Reload as the command line `arguments` say; returns the exit status."""
    options = parse_options(arguments)
    try:
        parent = read_pid(options.pid_file)
        if options.apache:
            return configure(options, parent)
        if not options.untried:
            try_first(parent, options.name)
        count = roll_site(parent, options.name)
    except PermissionError:
        raise CannotRun("not allowed: run it as Apache's user or root") from None
    print(f"replaced {count} processes")
    return 0


if __name__ == "__main__":
    run("scripts/reload", main)
