"""What the clients do to show each anomaly, how it is checked, and where it must be seen.

Each workload has its own range of keys, so that no process has cached them from another workload.
Its clients go together through windows of these keys: lists must not grow without bound, and some
keys may be written only once.
"""

from scripts.lib.coherency.workloads import (
    apart,
    bank,
    counter,
    crash,
    errors,
    linearizable,
    list_append,
    list_freshness,
    long_fork,
    on_commit,
    pause,
    phantom,
    register,
    session,
    sets,
    snapshot,
    stream,
    upload,
    web_session,
    write_skew,
)
from scripts.lib.coherency.workloads.base import KEYS_EACH, Turn, Workload

__all__ = ["KEYS_EACH", "WORKLOADS", "Turn", "Workload", "first_key", "keys_created"]

WORKLOADS = {
    module.WORKLOAD.name: module.WORKLOAD
    for module in (
        register,
        session,
        linearizable,
        counter,
        bank,
        sets,
        list_append,
        long_fork,
        write_skew,
        crash,
        pause,
        phantom,
        list_freshness,
        snapshot,
        errors,
        web_session,
        upload,
        on_commit,
        stream,
        apart,
    )
}


def first_key(name):
    """The first of the KEYS_EACH keys of a workload."""
    return 1 + KEYS_EACH * list(WORKLOADS).index(name)


def keys_created(name):
    """How many keys a reset creates for a workload; the workload does not use the last one."""
    return first_key(name) - 1 if WORKLOADS[name].absent else first_key(name) + KEYS_EACH - 1
