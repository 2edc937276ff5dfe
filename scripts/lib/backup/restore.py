"""scripts/restore: puts the site's database back from a backup, while the site serves."""

from pathlib import Path

from scripts.lib.backup.child import add_user, run_as_site
from scripts.lib.command import command_parser, run


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/restore",
        "Put the site's database back to what a file of scripts/backup has, in one step, while "
        "the site serves. What was changed since then is lost: back that up first.",
    )
    made.add_argument("file", type=Path, metavar="FILE", help="of scripts/backup")
    add_user(made)
    return made


def main(arguments):
    """Restore as the command line `arguments` say; returns the exit status."""
    options = parser().parse_args(arguments)
    with open(options.file, "rb") as file:
        run_as_site("load", options.user, stdin=file)
    print(f"restored {options.file}")
    return 0


if __name__ == "__main__":
    run("scripts/restore", main)
