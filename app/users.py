"""The pages of one user: anybody sees it; editors add, edit and delete."""

import json
import secrets

import web
from formencode.validators import Invalid
from sqlobject import SQLObjectNotFound, dberrors

from app.accounts import require_editor
from app.models import ROLES, User, checked
from app.pages import page
from app.web.conditional import entity_tag
from app.web.csrf import check_form
from app.web.inputs import form, number
from app.web.problems import UNPROCESSABLE, Problem, wrong_fields
from app.web.redirects import see_other
from app.web.sessions import flash, get, put

FIELDS = ("name", "fullname", "role")
CONFLICT = "409 Conflict"
TAKEN = "is taken by another user"


class Show:
    """One user."""

    def GET(self, user_id):
        return page("user", _find(user_id))


class Add:
    """A new user. The same form sent twice, as by a double click, adds one and leads to it."""

    def GET(self):
        require_editor()
        values = {"role": ROLES[0], "form": secrets.token_urlsafe(12)}
        return page("form", "Add a user", values, {})

    def POST(self):
        sent = _sent_form()
        # Before the hash, although SQLite's lock is then held during it: otherwise anybody could
        # have the server hash. Editors seldom add users.
        require_editor()
        values = _values_in(sent)
        this_form = sent.get("form", "")
        ready, faults = _judged(values | {"password": sent.get("password", "")})
        if not faults:
            by_form, added = get("added", (None, None))
            if this_form and this_form == by_form:
                raise see_other(f"/users/{added}")
            if _named(values["name"]) is None:
                user = _written(lambda: User(**ready))
                put("added", (this_form, user.id))
                flash(f"{user.name} is added.")
                raise see_other(f"/users/{user.id}")
            faults = {"name": TAKEN}
        web.ctx.status = UNPROCESSABLE
        return page("form", "Add a user", values | {"form": this_form}, faults)


class Edit:
    """A user's fields changed, unless somebody else has changed them since the form was filled."""

    def GET(self, user_id):
        require_editor()
        user = _find(user_id)
        return page("form", f"Edit {user.name}", _values_of(user), {}, user, _state(user))

    def POST(self, user_id):
        sent = _sent_form()
        require_editor()
        values = _values_in(sent)
        ready, faults = _judged(values)
        user = _find(user_id)
        there = _values_of(user)
        # The first click of a double click has saved these values.
        if there == values:
            raise see_other(f"/users/{user.id}")
        changed_since = sent.get("state") != _state(user)
        namesake = None if faults else _named(values["name"])
        if namesake not in (None, user):
            faults = {"name": TAKEN}
        if not faults and not changed_since:
            changes = {field: ready[field] for field in FIELDS if values[field] != there[field]}
            _written(lambda: user.set(**changes))
            flash(f"{user.name} is saved.")
            raise see_other(f"/users/{user.id}")
        web.ctx.status = CONFLICT if changed_since else UNPROCESSABLE
        both = there if changed_since else None
        heading = f"Edit {there['name']}"
        return page("form", heading, values, faults, user, _state(user), both)


class Delete:
    """A user deleted, after a page that asks, unless it has been changed since that page."""

    def GET(self, user_id):
        require_editor()
        user = _find(user_id)
        return page("delete", user, _state(user), False)

    def POST(self, user_id):
        sent = _sent_form()
        require_editor()
        user = _found(user_id)
        if user is None:
            # As after a double click. The user is deleted, as was wanted.
            flash("That user is deleted already.")
            raise see_other("/")
        if sent.get("state") != _state(user):
            web.ctx.status = CONFLICT
            return page("delete", user, _state(user), True)
        flash(f"{user.name} is deleted.")
        user.destroySelf()
        raise see_other("/")


def _found(user_id):
    """Return the user with the id in the text `user_id`, or None."""
    found = number(user_id)
    try:
        return None if found is None else User.get(found)
    except SQLObjectNotFound:
        return None


def _find(user_id):
    """Return the user; raises Problem 404 where there is none."""
    user = _found(user_id)
    if user is None:
        raise Problem(404, "There is no user here. If there was one, it has been deleted.")
    return user


def _sent_form():
    fields = form()
    check_form(fields)
    return fields


def _values_in(sent):
    """The form's fields, without blanks at the ends: nobody sees those."""
    return {field: sent.get(field, "").strip() for field in FIELDS}


def _values_of(user):
    return {field: getattr(user, field) for field in FIELDS}


def _state(user):
    """The state of a user, which a form brings back.

    It is more than the version, because a restored backup uses old versions again.
    """
    return entity_tag(json.dumps(_values_of(user)), user.version)


def _judged(values):
    """Return the values in the form that User's columns take, and a dict of field to fault."""
    faults = {} if values["role"] in ROLES else {"role": f"must be one of {', '.join(ROLES)}"}
    try:
        ready = checked({field: values[field] for field in values if field != "role"})
    except Invalid as error:
        return {}, error.error_dict | faults
    return ready | {"role": values["role"]}, faults


def _named(name):
    return User.selectBy(name=name).getOne(None)


def _written(write):
    try:
        return write()
    except dberrors.DuplicateEntryError as error:
        # Somebody who writes without the transactions has taken the name since it was looked for.
        raise wrong_fields(409, {"name": TAKEN}) from error
