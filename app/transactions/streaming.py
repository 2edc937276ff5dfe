"""The answer of a handler that returns a generator, and the text of any other."""

import datetime
import decimal
import logging
import tempfile
from collections import OrderedDict, defaultdict

import web

from .engines.base import Verdict

log = logging.getLogger(__name__)

IN_MEMORY = 256 * 1024
_AT_ONCE = 64 * 1024
_END = object()
_PLAIN = (
    str, bytes, type(None), bool, int, float, decimal.Decimal,
    datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip
# How these classes produce their text. A subclass may do it otherwise and read a row for it.
_TEXTS = {
    how
    for cls in (*_PLAIN, dict, list, tuple, OrderedDict, defaultdict, web.Storage)
    for how in (cls.__str__, cls.__repr__)
}


def is_streamed(answer):
    """Whether web.py takes `answer` for chunks that the handler has yet to produce."""
    return hasattr(answer, "__next__")


def settled(answer):
    """Return `answer` as it is, or its text where producing that may need the transaction.

    web.py produces the text after the processors, when no row can be read any more. What has its
    text in itself stays an object, because a processor may want one.
    """
    return answer if type(answer) is str or _is_plain(answer) else str(answer)


def check_text(text):
    """Raise UnicodeEncodeError where `text` cannot be sent, as web.py does after the commit."""
    if isinstance(text, str) and not text.isascii():
        text.encode()


def _is_plain(value):
    if type(value).__str__ not in _TEXTS or type(value).__repr__ not in _TEXTS:
        return False
    if isinstance(value, _PLAIN):
        return True
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(one) for key, one in value.items())
    return isinstance(value, (list, tuple)) and all(map(_is_plain, value))


def _bytes(chunk):
    # As web.py does, but in the transaction.
    return chunk if isinstance(chunk, bytes) else str(chunk).encode()


def held_back(chunks):
    """Return the chunks of a handler's iterator, all produced now, as an iterator of bytes.

    They are held in memory up to 256 KiB, then in a temporary file. Raises what the handler does.
    """
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
    try:
        for chunk in chunks:
            file.write(_bytes(chunk))
    except BaseException:
        file.close()
        raise
    finally:
        getattr(chunks, "close", lambda: None)()
    file.seek(0)
    return _HeldBack(file)


class _HeldBack:
    """An iterator of what a file holds; the file is closed at the end."""

    def __init__(self, file):
        self._file = file

    def __iter__(self):
        return self

    def __next__(self):
        chunk = b"" if self._file.closed else self._file.read(_AT_ONCE)
        if not chunk:
            self._file.close()
            raise StopIteration
        return chunk

    def close(self):
        self._file.close()

    __del__ = close


class StreamedAnswer:
    """An iterator over a handler's chunks that ends the request's transaction after the last.

    It is no generator: a generator that is dropped before its first chunk runs none of its
    code, so it could not end the transaction.
    """

    def __init__(self, chunks, transaction, end):
        """`chunks`: the handler's iterator; `end(error)`: ends the transaction, called once."""
        self._chunks = chunks
        self._transaction = transaction
        self._end = end
        self._first = []

    def begin(self):
        """Fetch the first chunk, before any byte of the answer is sent; False if there is none.

        After it the request is not run again. Raises what the handler raises; then the caller ends
        the transaction.
        """
        try:
            self._first.append(_bytes(next(self._chunks)))
            self._transaction.snapshot.settle()
        except StopIteration:
            self._close_chunks()
            return False
        except BaseException:
            self._close_chunks()
            raise
        self._transaction.running = False
        return True

    def __iter__(self):
        return self

    def __next__(self):
        if self._first:
            return self._first.pop()
        if self._chunks is None:
            raise StopIteration
        try:
            return self._next_or_end()
        except BaseException:
            # The end itself may have been interrupted.
            if self._transaction.owner is not None:
                self._finish(GeneratorExit())
            raise

    def _next_or_end(self):
        try:
            return self._next_chunk()
        except StopIteration:
            self._finish(None)
            raise
        except BaseException as error:
            refused = self._transaction.ended_by is Verdict.REFUSED
            cure = "; mark one that writes @writing" * refused
            log.exception("a handler failed after a part of its answer was sent%s", cure)
            self._finish(error)
            raise

    def _next_chunk(self):
        if self._transaction.owner is None:
            raise self._transaction.misuse()
        if self._transaction.has_begun():
            # A transaction holds a snapshot, so the deadline counts even where no query follows.
            self._transaction.may_go_on()
        self._transaction.running = True
        chunk = _bytes(next(self._chunks))
        self._transaction.running = False
        return chunk

    def _finish(self, error):
        try:
            self._close_chunks()
        finally:
            self._end_transaction(error)

    def _end_transaction(self, error):
        if self._transaction.owner is None:
            return
        try:
            self._end(error)
        except BaseException:
            log.exception("a request could not be committed after its answer was sent")
            raise

    def _close_chunks(self):
        # The handler's last code belongs to the transaction too.
        self._transaction.running = True
        chunks, self._chunks = self._chunks, None
        getattr(chunks, "close", lambda: None)()

    def close(self):
        """Roll back, if the answer is dropped before its end."""
        if self._chunks is not None:
            self._finish(GeneratorExit())

    __del__ = close


class RestingChunks:
    """An iterator over a handler's chunks, each produced while no transaction is held."""

    def __init__(self, chunks, resting):
        """`resting()` returns the context manager in which a chunk is produced."""
        self._chunks = chunks
        self._resting = resting
        self.close = getattr(chunks, "close", lambda: None)

    def __iter__(self):
        return self

    def __next__(self):
        with self._resting():
            chunk = next(self._chunks, _END)
        if chunk is _END:
            raise StopIteration
        return chunk
