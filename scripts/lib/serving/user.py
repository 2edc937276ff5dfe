"""The user of Apache's children, of the database's files and of whatever looks at them."""

import os
import pwd

from scripts.lib.command import ROOT

DAEMON_USER = "www-data"


def owner_of_site(settings):
    """The name of the user that has the site's database where this is root, else None: ours.

    It is who has the folder var, or else the file `settings`, a path or None, unless that is root.
    """
    if os.getuid() != 0:
        return None
    places = [place for place in (ROOT / "var", settings) if place and place.exists()]
    owners = [place.stat().st_uid for place in places]
    return next((pwd.getpwuid(owner).pw_name for owner in owners if owner != 0), DAEMON_USER)


def as_user(name):
    """The arguments that have subprocess run a command as the user `name`; None: as this one.

    Raises KeyError where there is no such user.
    """
    if not name:
        return {}
    user = pwd.getpwnam(name)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def become_daemon(name=DAEMON_USER):
    """Have this process be of the user `name` for good where it is root's.

    Returns the name of the user that is now running: `name`, or whoever has started it.
    """
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    user = pwd.getpwnam(name)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    return user.pw_name
