"""The queue of a database's writers, which without it would poll for SQLite's lock.

SQLite's busy handler sleeps and tries again: a writer that comes at the right moment wins, and an
unlucky one waits for seconds (https://www.sqlite.org/c3ref/busy_timeout.html). Here the threads of
a process stand in a queue. The one whose turn it is holds `flock` on a file beside the database.
The queues of all processes wait for it in the kernel. The queue only decides who tries first.
SQLite's own lock still excludes others, also programs that know no queue. So nothing goes wrong
where one bypasses the queue.

A blocking `flock` cannot be given up. So a separate thread, the *usher*, makes that call, and
writers wait for their turn with a timeout. A writer that has waited in vain asks SQLite itself
once. Where nobody is in the way, a writer needs one call that does not block, and wakes no thread.
"""

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections import deque
from queue import SimpleQueue
from weakref import WeakValueDictionary

log = logging.getLogger(__name__)

# The file beside the database has the database's name and this suffix.
SUFFIX = "-queue"
# How many turns a process takes in a row while others may wait. Threads hand a turn on faster than
# processes.
MOST_TURNS = 4

_queues: "WeakValueDictionary[str, Queue]" = WeakValueDictionary()
# Databases beside which no file can be created or locked.
_without: set[str] = set()
# Held while a file is opened, so that a child process does not get it unnoticed. It is reentrant,
# because a finalizer may come in between.
_opening = threading.RLock()


def queue_for(path):
    """Return the queue of the writers of the database at `path`, the same for all of its names.

    None where a file beside it cannot be created or locked, which is logged once.
    """
    path = os.path.realpath(path)
    with _opening:
        queue = _queues.get(path)
        if queue is None and path not in _without:
            try:
                queue = _queues[path] = Queue(_open_beside(path))
            except OSError as error:
                _without.add(path)
                log.warning(
                    "%s: writers poll for the lock and may wait long, because %s%s cannot be used "
                    "(%s): let the server's user create that file, or set queue=False",
                    path, path, SUFFIX, error.strerror,
                )  # fmt: skip
    return queue


def _open_beside(database):
    """Open the file beside `database`, or create it with the same rights. Raises OSError."""
    path = database + SUFFIX
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        file = _create_beside(database, path)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
    except OSError:
        os.close(file)
        raise
    return file


def _create_beside(database, path):
    rights = os.stat(database)
    mode = rights.st_mode & 0o666
    file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, mode)
    # Another user's process may have created it meanwhile.
    with contextlib.suppress(PermissionError):
        if os.geteuid() == 0:
            os.fchown(file, rights.st_uid, rights.st_gid)
        os.fchmod(file, mode)
    return file


class Place:
    """One writer's place in a queue."""

    __slots__ = ("left", "turn")

    def __init__(self):
        # Whether the writer has done its work or has gone away.
        self.left = False
        # For one that waits: a lock that is released when its turn has come.
        self.turn = None


class Queue:
    """The writers of one database in this process."""

    def __init__(self, file):
        """`file`: the descriptor of the file beside the database; None without writers."""
        self._file = file
        # The places of those who wait, and of some who have gone away.
        self.places = deque()
        # The place whose turn it is.
        self.current = None
        self._has_file = False
        # How many turns there were since it got the file.
        self._turns = 0
        # Whether the usher was asked to get the file, and whether it has it.
        self._asked = self._granted = False
        self._usher = None
        self._requests = SimpleQueue()
        # Reentrant, because a finalizer may leave a place in the middle of the work, on its
        # thread.
        self._mutex = threading.RLock()
        self._at_work = self._again = False

    def __del__(self):
        self._requests.put(None)
        if self._file is not None:
            os.close(self._file)

    def leave_to_the_parent(self):
        """Close the copy of the file that a fork has made: both processes would hold its lock."""
        os.close(self._file)
        self.__init__(None)

    def wait(self, place, seconds):
        """Wait at most `seconds` for the turn of `place`; return how many were waited.

        `place`: a new one. The caller leaves it, even if its turn did not come in time.
        """
        with self._mutex:
            # Most find nobody there.
            if self.current is None and not (self.places or self._asked or self._at_work):
                self.current = place
                if self._lock():
                    return 0
                self.current = None
        turn = place.turn = threading.Lock()
        turn.acquire()
        self.places.append(place)
        self._advance()
        if turn.acquire(blocking=False):
            return 0
        started = time.monotonic()
        turn.acquire(timeout=seconds)
        return time.monotonic() - started

    def leave(self, place):
        """Let the next one have the turn. It may be called at any time, and more than once."""
        place.left = True
        with self._mutex:
            if self.current is place and not (self.places or self._at_work):
                self._unlock()
                self.current = None
                return
        self._advance()

    def get_file(self):
        """Lock the file, however long that takes."""
        self._flock(fcntl.LOCK_EX)
        self._granted = True
        self._advance()

    def _advance(self):
        """Do what follows after a place was taken or left, or the file was locked.

        The next call does what an interruption has left undone.
        """
        self._again = True
        with self._mutex:
            if self._at_work:
                return
            self._at_work = True
            try:
                while self._again:
                    self._again = False
                    self._make_a_step()
            finally:
                self._at_work = False

    def _make_a_step(self):
        if self._granted:
            self._has_file, self._turns = True, 0
            self._asked = self._granted = False
        if self.current is not None and self.current.left:
            self.current = None
        places = self.places
        while places and (places[0].left or places[0] is self.current):
            places.popleft()
        if self.current is None:
            self._find_next()
        turn = None if self.current is None else self.current.turn
        if turn is not None and turn.locked():
            turn.release()

    def _find_next(self):
        waiting = bool(self.places)
        if self._has_file and not (waiting and self._turns < MOST_TURNS):
            self._unlock()
            if waiting:
                # Those that wait in other processes come first.
                self._ask_usher()
        if not waiting or self._asked:
            return
        if self._has_file or self._lock():
            self._turns += 1
            self.current = self.places[0]
            self.places.popleft()
        else:
            self._ask_usher()

    def _lock(self):
        # Set before the call: an interruption must not leave a lock of which nobody knows.
        self._has_file, self._turns = True, 0
        self._has_file = self._flock(fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self._has_file

    def _unlock(self):
        self._flock(fcntl.LOCK_UN)
        self._has_file = False

    def _flock(self, operation):
        """Return whether the kernel did it. Where it fails, a writer asks SQLite in the end."""
        try:
            fcntl.flock(self._file, operation)
        except OSError:
            return False
        return True

    def _ask_usher(self):
        try:
            if self._usher is None:
                usher = threading.Thread(target=_usher, args=(self._requests,), daemon=True)
                usher.start()
                self._usher = usher
        except RuntimeError:
            # No thread can be started. The writer waits in vain, and then asks SQLite.
            return
        self._requests.put(self)
        self._asked = True


def _usher(asked):
    """Get the file for each queue that comes; end at None."""
    # A queue ends with its last session, and so must not be held here.
    while (queue := asked.get()) is not None:
        queue.get_file()
        del queue


def _begin_anew():
    global _opening
    _opening = threading.RLock()
    for queue in list(_queues.values()):
        queue.leave_to_the_parent()
    _queues.clear()


os.register_at_fork(
    before=lambda: _opening.acquire(),
    after_in_parent=lambda: _opening.release(),
    after_in_child=_begin_anew,
)
