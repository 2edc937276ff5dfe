"""The lab's endpoints: keys are read, transactions run, the table is reset."""

import os
import socket
import threading

import web

from app.lab import operations
from app.lab.accepted import MOST_OPERATIONS, checked_operations, checked_reset
from app.lab.modes import runs
from app.settings import settings
from app.web.bearer import authorize
from app.web.csrf import FIELD, check_form
from app.web.inputs import json_object, query_numbers
from app.web.problems import Problem
from app.web.rendering import json_answer

FORM_HEADER = "HTTP_X_FORM_TOKEN"


class Keys:
    """The values of `ids`, each read with `get`; `runs` as in `answered`."""

    def GET(self, mode):
        ids = query_numbers("ids", MOST_OPERATIONS)
        values = {str(key): operations.read(mode, key) for key in ids}
        return answered(mode, {"values": values})


class Transactions:
    """Several operations in one request; `runs` as in `answered`."""

    def POST(self, mode):
        authorize_writing()
        done = operations.run(mode, checked_operations(json_object()))
        return answered(mode, {"operations": done})


class Reset:
    """All keys of the mode made anew."""

    def POST(self, mode):
        authorize_writing()
        keys, value = checked_reset(json_object())
        operations.reset(mode, keys, value)
        return json_answer({"keys": keys, "value": value, "served_by": served_by()})


class Off:
    """Every address of the lab while it is off."""

    def GET(self):
        raise Problem(404, "The lab is off: the setting SITE_LAB is not on.")

    POST = GET


def authorize_writing():
    """Raise Problem 401 or 403 unless the request has the API's token or the form token.

    The latter is the one of the lab's page, in the header X-Form-Token.
    """
    token = web.ctx.env.get(FORM_HEADER)
    if token is None or settings.secret_key is None:
        authorize()
    else:
        check_form({FIELD: token})


def answered(mode, values):
    """The JSON of `values` with who served it, and in which run of the handler: "runs" is 1 more
    than the retries of the request, and always 1 in a mode that does not run one again."""
    return json_answer({**values, "runs": runs(mode), "served_by": served_by()})


def served_by():
    """Where this runs: host name, process id, and the kernel's id of the thread."""
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "thread": threading.get_native_id(),
    }
