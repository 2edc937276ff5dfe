"""The JSON API of the users: reading is free, writing needs the bearer token (RFC 6750)."""

import web
from formencode import validators
from sqlobject import SQLObjectNotFound, dberrors

from app.models import RULES, User, checked
from app.web.bearer import authorize
from app.web.inputs import json_object, number, query_number, shortened
from app.web.problems import Problem, wrong_fields
from app.web.rendering import json_answer

DEFAULT_LIMIT = 100
HIGHEST_LIMIT = 1000


class Users:
    """The collection: a page of it by `limit` and `after`, and new users."""

    def GET(self):
        limit = query_number("limit", DEFAULT_LIMIT, 1, HIGHEST_LIMIT)
        users, following = User.page(query_number("after", 0, 0), limit)
        return json_answer({"users": [user.sqlmeta.asDict() for user in users], "next": following})

    def POST(self):
        authorize()
        values = _checked_fields(json_object(), required=RULES)
        try:
            user = User(**values)
        except dberrors.DuplicateEntryError as error:
            raise _name_taken() from error
        web.ctx.status = "201 Created"
        web.header("Location", f"{web.ctx.homepath}/api/users/{user.id}")
        return json_answer(user.sqlmeta.asDict())


class OneUser:
    """One user by id; what is no id of 64 bits has no user."""

    def GET(self, user_id):
        return json_answer(_find(user_id).sqlmeta.asDict())

    def PATCH(self, user_id):
        authorize()
        values = _checked_fields(json_object(), required=())
        user = _find(user_id)
        try:
            # In one UPDATE: a name that is taken leaves the other columns as they were.
            user.set(**values)
        except dberrors.DuplicateEntryError as error:
            raise _name_taken() from error
        return json_answer(user.sqlmeta.asDict())

    def DELETE(self, user_id):
        authorize()
        _find(user_id).destroySelf()
        web.ctx.status = "204 No Content"
        return ""


def _find(user_id):
    found = number(user_id)
    try:
        if found is not None:
            return User.get(found)
    except SQLObjectNotFound:
        pass
    raise Problem(404, "There is no user with this id.")


def _checked_fields(values, required):
    """Return the values as User's columns store them; raises Problem 422 naming each fault."""
    faults = {
        shortened(field): "is not a field of a user" for field in values if field not in RULES
    }
    faults |= {field: "is missing" for field in required if field not in values}
    try:
        ready = checked({field: values[field] for field in RULES if field in values})
    except validators.Invalid as error:
        faults |= error.error_dict
    if faults:
        raise wrong_fields(422, faults)
    return ready


def _name_taken():
    return wrong_fields(409, {"name": "is taken by another user"})
