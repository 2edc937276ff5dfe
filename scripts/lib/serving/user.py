"""The user of Apache's children, of the database's files and of processes that look at them."""

import os
import pwd

from scripts.lib.command import ROOT

DAEMON_USER = "www-data"


def owner_of_site(settings):
    """The name of the user that owns the site's database if this is root, otherwise None.

    It is the owner of the folder var, or of the file `settings` (a path or None), but not root.
    """
    if os.getuid() != 0:
        return None
    places = [place for place in (ROOT / "var", settings) if place and place.exists()]
    owners = [place.stat().st_uid for place in places]
    return next((pwd.getpwuid(owner).pw_name for owner in owners if owner != 0), DAEMON_USER)


def as_user(name):
    """subprocess's arguments to run a command as the user `name`; None: as this user.

    Raises KeyError if there is no such user.
    """
    if not name:
        return {}
    user = pwd.getpwnam(name)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def become_daemon(name=DAEMON_USER):
    """If this process is root's, make it the user `name`'s for good.

    Returns the name of the user that is now running: `name`, or whoever has started it.
    """
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    user = pwd.getpwnam(name)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    return user.pw_name
