"""The JSON API of the users: reading is free, writing needs the bearer token (RFC 6750).

app/openapi.py describes it. A change of a user needs If-Match with the ETag of the version that
was read, so that nobody overwrites the change of somebody else. A POST or PATCH with an
Idempotency-Key may be sent again.
"""

import json
from urllib.parse import urlencode

import web
from formencode import validators
from sqlobject import SQLObjectNotFound, dberrors

from app.models import RULES, User, checked
from app.web.bearer import authorize
from app.web.conditional import check_condition, conditional, entity_tag, require_condition
from app.web.idempotency import once
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
        web.header("Link", ", ".join(_links(limit, following)))
        shown = [user.sqlmeta.asDict() for user in users]
        text = json_answer({"users": shown, "next": following})
        return conditional(text, entity_tag(text))

    def POST(self):
        token = authorize()
        sent = json_object()
        values = _checked_fields(sent, required=RULES)
        return once(lambda: _added(values), sent, token)


class OneUser:
    """One user by id. No user has what is no id of 64 bits."""

    def GET(self, user_id):
        user = _find(user_id)
        return conditional(json_answer(user.sqlmeta.asDict()), _tag(user))

    def PATCH(self, user_id):
        token = authorize()
        require_condition()
        sent = json_object()
        values = _checked_fields(sent, required=())
        return once(lambda: _changed(user_id, values), sent, token)

    def DELETE(self, user_id):
        authorize()
        require_condition()
        user = _find(user_id)
        check_condition(_tag(user))
        user.destroySelf()
        web.ctx.status = "204 No Content"
        return ""


def _added(values):
    try:
        user = User(**values)
    except dberrors.DuplicateEntryError as error:
        raise _name_taken() from error
    web.ctx.status = "201 Created"
    web.header("Location", f"{web.ctx.homepath}/api/users/{user.id}")
    return _written(user)


def _changed(user_id, values):
    user = _find(user_id)
    check_condition(_tag(user))
    try:
        # In one UPDATE: a name that is taken leaves the other columns as they were.
        user.set(**values)
    except dberrors.DuplicateEntryError as error:
        raise _name_taken() from error
    return _written(user)


def _written(user):
    web.header("ETag", _tag(user))
    return json_answer(user.sqlmeta.asDict())


def _tag(user):
    return entity_tag(json.dumps(user.sqlmeta.asDict()), user.version)


def _links(limit, following):
    """The links (RFC 8288) to the first page and, if there is one, the next."""
    chosen = {"limit": limit} if limit != DEFAULT_LIMIT else {}
    pages = {"first": chosen}
    if following is not None:
        pages["next"] = chosen | {"after": following}
    for relation, query in pages.items():
        asked = f"?{urlencode(query)}" if query else ""
        yield f'<{web.ctx.homepath}/api/users{asked}>; rel="{relation}"'


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
