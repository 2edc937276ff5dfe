"""Uploads that were read before the processor: each run of a handler reads them from there."""


class Uploads:
    """The parts of a form, as `web.input()` leaves them in web.ctx; their files stay open."""

    def __init__(self, form):
        """`form`: a dict of parts; those of fields may have no file."""
        self._parts = []
        for part in form.values():
            if getattr(part, "file", None) is not None:
                self._keep(part)

    def _keep(self, part):
        part.file = _StaysOpen(part.file)
        self._parts.append((part, vars(part).copy(), part.file.tell()))

    def put_back(self):
        """Put each part back to what it was, and its file to where it was."""
        for part, state, position in self._parts:
            vars(part).clear()
            vars(part).update(state)
            part.file.seek(position)


class _StaysOpen:
    """A file whose `close` closes nothing, because the next run may read it.

    A wrapper such as io.TextIOWrapper closes it when it is dropped.
    """

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __iter__(self):
        return iter(self._file)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Do nothing: it is closed when nobody holds it any more."""

    def __del__(self):
        self._file.close()
