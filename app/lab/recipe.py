"""The recipe's load hook as it was published, for comparison: README.md lists its faults."""

import web
from sqlobject import connectionForURI, sqlhub


def recipe(uri):
    """Return the published load hook for the database `uri`; only its spelling is Python 3's."""

    def load_sqlo(handler=None):
        con = connectionForURI(uri)
        if "env" not in web.ctx:
            sqlhub.processConnection = con
            return None
        trans = con.transaction()
        sqlhub.threadConnection = trans
        try:
            return handler()
        except web.HTTPError:
            trans.commit(close=True)
            raise
        except:
            trans.rollback()
            trans.begin()
            raise
        finally:
            trans.commit(close=True)

    return load_sqlo
