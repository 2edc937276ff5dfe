"""The lab's endpoints: they read keys, run transactions and reset the table."""

import json
import re
import time
from urllib.parse import parse_qs

import web

from app.lab import operations
from app.lab.accepted import (
    MOST_OPERATIONS,
    checked_operations,
    checked_reset,
    is_integer,
    is_list,
    operations_in,
)
from app.lab.modes import in_own_transaction, runs, streamed
from app.lab.sessions import key_of_session, session_of
from app.web.answering import served_by
from app.web.bearer import authorize
from app.web.csrf import FIELD, check_form
from app.web.inputs import json_object, query_numbers
from app.web.problems import Problem
from app.web.rendering import json_answer

RUNS_HEADER = "X-Runs"
FORM_HEADER = "HTTP_X_FORM_TOKEN"


class Keys:
    """The values of `ids`, each read with `get`; `runs` as in `answered`."""

    def GET(self, mode):
        ids = query_numbers("ids", MOST_OPERATIONS)
        values = {str(key): operations.read(mode, key) for key in ids}
        return answered(mode, {"values": values})


class Transactions:
    """Several operations in one request; a GET has them in its query; `runs` as in `answered`."""

    def GET(self, mode):
        authorize_writing()
        tell_run(mode)
        return answered(mode, {"operations": operations.run(mode, operations_in_query())})

    def POST(self, mode):
        authorize_writing()
        tell_run(mode)
        done = operations.run(mode, checked_operations(json_object()))
        return answered(mode, {"operations": done})


class Streams:
    """As Transactions, but each operation is run as a chunk of the answer is made."""

    def GET(self, mode):
        authorize_writing()
        return _stream(mode, operations_in_query())

    def POST(self, mode):
        authorize_writing()
        return _stream(mode, checked_operations(json_object()))


class Apart:
    """As Transactions, but the handler holds no transaction: it has the operations run in one."""

    def GET(self, mode):
        authorize_writing()
        return _run_apart(mode, operations_in_query(), writing=False)

    def POST(self, mode):
        authorize_writing()
        return _run_apart(mode, checked_operations(json_object()), writing=True)


class Sessions:
    """The list in the web session of the request's cookie: GET reads it, POST appends to it."""

    def GET(self, mode):
        authorize_writing()
        tell_run(mode)
        return answered(mode, {"operations": [["read", key_of_session(), _elements(mode)]]})

    def POST(self, mode):
        authorize_writing()
        tell_run(mode)
        key = key_of_session()
        done = []
        for operation in checked_operations(json_object()):
            if operation[:2] == ["read", key]:
                operation = ["read", key, list(_elements(mode))]
            elif operation[:2] == ["append", key] and is_list([*_elements(mode), operation[2]]):
                session_of(mode).elements = [*_elements(mode), operation[2]]
            elif operation[0] == "sleep":
                time.sleep(operation[1] / 1000)
            else:
                raise Problem(409, f"{operation[0]} is not done to the session of key {key}.")
            done.append(operation)
        return answered(mode, {"operations": done})


class Uploads:
    """A number in an uploaded file, which is appended to a key; `runs` as in `answered`."""

    def POST(self, mode, key):
        authorize_writing()
        tell_run(mode)
        before = operations.read(mode, int(key))
        element = element_in(web.input(element={}).element)
        operations.append(mode, int(key), element)
        done = [["read", int(key), before], ["append", int(key), element]]
        return answered(mode, {"operations": done})


class Reset:
    """Creates all keys of the mode anew."""

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

    The lab's page sends the form token in the header X-Form-Token.
    """
    token = web.ctx.env.get(FORM_HEADER)
    if token is None:
        authorize()
    else:
        check_form({FIELD: token})


def operations_in_query():
    """The operations in the request's query; raises Problem 422 if they are wrong."""
    texts = parse_qs(web.ctx.env.get("QUERY_STRING", "")).get("operations", [])
    return operations_in(texts)


def _stream(mode, accepted):
    tell_run(mode)
    web.header("Content-Type", "application/json")
    return streamed(mode, _chunks(mode, accepted))


def _chunks(mode, accepted):
    done = []
    for operation in accepted:
        done += operations.run(mode, [operation])
        # JSON may begin with spaces.
        yield " "
    yield json.dumps(told(mode, {"operations": done}))


def _run_apart(mode, accepted, writing):
    def run():
        return told(mode, {"operations": operations.run(mode, accepted)})

    return json_answer(in_own_transaction(mode, run, writing))


def _elements(mode):
    return session_of(mode).elements


def element_in(part):
    """The number in the file of a form's part; 0 where nothing has arrived."""
    text = part.file.read() if getattr(part, "file", None) else b""
    element = int(text) if re.fullmatch(rb"[0-9]{1,16}", text) else 0
    return element if is_integer(element) else 0


def tell_run(mode):
    """Name this run in a header of the answer. A second such header would be another run's."""
    web.header(RUNS_HEADER, str(runs(mode)))


def answered(mode, values):
    """Return the JSON of `values`, of who served it, and of the handler's run.

    "runs" is 1 plus the retries of the request; a mode without retries always has 1.
    """
    return json_answer(told(mode, values))


def told(mode, values):
    """As `answered`, the dict of it."""
    return {**values, "runs": runs(mode), "served_by": served_by()}
