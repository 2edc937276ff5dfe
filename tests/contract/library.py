"""Authors, novels and classes with their own ways, on a site that keeps rows."""

import datetime

from sqlobject import (
    DateTimeCol,
    ForeignKey,
    IntCol,
    MultipleJoin,
    PickleCol,
    SQLMultipleJoin,
    SQLObject,
    StringCol,
)

from tests.contract.internals import kept_rows, raw_connection, watched
from tests.contract.site import Site

LIMIT = 50


class Author(SQLObject):
    name = StringCol()
    born = DateTimeCol(default=None)
    novels = MultipleJoin("Novel")
    novels_query = SQLMultipleJoin("Novel")


class Novel(SQLObject):
    title = StringCol()
    pages = IntCol(default=0)
    author = ForeignKey("Author")


class Lazy(SQLObject):
    class sqlmeta:
        lazyUpdate = True

    name = StringCol()


class Pickled(SQLObject):
    data = PickleCol()


class OwnWay(SQLObject):
    name = StringCol()

    def _init(self, *args, **kw):
        super()._init(*args, **kw)
        self.extra = "made by _init"


MODELS = (Author, Novel, Lazy, Pickled, OwnWay)


class Library(Site):
    """Runs functions as reading or writing requests on a database that has rows of MODELS."""

    def __init__(self, server, uri, cache_rows=LIMIT, models=MODELS, **options):
        super().__init__(server, uri, models, cache_rows=cache_rows, **options)
        self.run(_fill, "POST")

    def run(self, function, method="GET"):
        """Return what `function` returns in a request, and set `status` to the answer's."""
        result = []
        self.status = self.request(lambda: result.append(function()), method).status
        return result[-1] if result else None

    def counted(self, function, method="GET"):
        """Run `function` in a request; return (its result, queries sent).

        The transaction has begun and the token has been looked at before.
        """

        def counting():
            kept_rows()
            with watched(self.connection, raw_connection()) as sent:
                return function(), len(sent)

        return self.run(counting, method)


def _fill():
    Author(name="Ada", born=datetime.datetime(1815, 12, 10))
    for number in range(3):
        Novel(title=f"novel {number}", author=1)
    Lazy(name="lazy")
    Pickled(data=["a"])
    OwnWay(name="own")


def name():
    return Author.get(1).name


def titles():
    return [novel.title for novel in Novel.select(orderBy="id")]
