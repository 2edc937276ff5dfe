"""The user of Apache's children, of the database's files and of whatever looks at them."""

import os
import pwd

DAEMON_USER = "www-data"


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
