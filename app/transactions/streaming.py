"""The answer of a handler that returns a generator: its transaction lives until the last chunk."""

import logging

log = logging.getLogger(__name__)


class StreamedAnswer:
    """An iterator over a handler's chunks that ends the request's transaction after the last.

    It is no generator: a generator that is dropped before its first chunk runs none of its
    code, so it could not end the transaction.
    """

    def __init__(self, chunks, end):
        """`chunks`: the handler's iterator; `end(error)`: ends the transaction, called once."""
        self._chunks = chunks
        self._end = end
        self._first = []

    def begin(self, last_chance):
        """Fetch the first chunk, before any byte of the answer is sent; False if there is none.

        `last_chance()` is called after it: what has the request run again must show now. Raises
        what it or the handler raises; the transaction is then still to be ended.
        """
        try:
            self._first.append(next(self._chunks))
            last_chance()
        except BaseException as error:
            chunks, self._chunks = self._chunks, None
            if isinstance(error, StopIteration):
                return False
            getattr(chunks, "close", lambda: None)()
            raise
        return True

    def __iter__(self):
        return self

    def __next__(self):
        if self._first:
            return self._first.pop()
        try:
            return next(self._chunks)
        except StopIteration:
            self._finish(None)
            raise
        except BaseException as error:
            self._finish(error)
            log.exception("a handler failed after a part of its answer was sent")
            raise

    def _finish(self, error):
        self._chunks = None
        try:
            self._end(error)
        except BaseException:
            log.exception("a request could not be committed after its answer was sent")
            raise

    def close(self):
        """Roll back, if the answer is dropped before its end."""
        chunks, self._chunks = self._chunks, None
        if chunks is not None:
            getattr(chunks, "close", lambda: None)()
            self._end(GeneratorExit())

    __del__ = close
