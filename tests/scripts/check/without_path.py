"""An application with one fault, which is found without SITE_PATH."""

import web
from sqlobject import sqlhub

app = web.application(("/", "Index"), globals())


class Index:
    def GET(self):
        return sqlhub.doInTransaction(str)
