"""The JSON API's description in OpenAPI 3.1: it tells programs what app/api.py answers."""

import web

from app.api import DEFAULT_LIMIT, HIGHEST_LIMIT
from app.models import LEAST_PASSWORD, LONGEST_FULLNAME, LONGEST_NAME, LONGEST_PASSWORD
from app.web.conditional import conditional, entity_tag
from app.web.idempotency import LONGEST_KEY
from app.web.inputs import LARGEST_ID
from app.web.rendering import json_answer

ID = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
AFTER = {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}
VISIBLE = "At least one character that can be seen, no control characters and no lone surrogates."


def text(longest, **more):
    # Our own format, because no regular expression says which characters can be seen.
    told = {"type": "string", "format": "visible-text", "minLength": 1, "maxLength": longest}
    return told | {"description": VISIBLE} | more


FIELDS = {
    "name": text(LONGEST_NAME, description=f"No two users have the same. {VISIBLE}"),
    "fullname": text(LONGEST_FULLNAME),
    "password": text(LONGEST_PASSWORD, minLength=LEAST_PASSWORD, writeOnly=True),
}
SHOWN = {"id": ID, "name": {"type": "string"}, "fullname": {"type": "string"}}


def closed(properties, required=()):
    """The schema of an object that has these properties and no others."""
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


SCHEMAS = {
    "User": closed(SHOWN, SHOWN),
    "NewUser": closed(FIELDS, FIELDS),
    "UserChange": closed(FIELDS) | {"description": "What is left out stays as it is."},
    "UserPage": closed(
        {
            "users": {"type": "array", "items": {"$ref": "#/components/schemas/User"}},
            "next": {
                "type": ["integer", "null"],
                "description": "The `after` of the next page; null on the last one.",
            },
        },
        ("users", "next"),
    ),
    "Problem": {
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "properties": {
            "type": {
                "type": "string",
                "description": "/problems/outcome-unknown: nobody knows whether the change was "
                "made. /problems/too-late: given up at the deadline, nothing was changed. "
                "Otherwise about:blank.",
            },
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "request": {"type": "string", "description": "The request's id in the logs."},
            "errors": {
                "type": "array",
                "items": closed(
                    {"field": {"type": "string"}, "detail": {"type": "string"}},
                    ("field", "detail"),
                ),
            },
        },
        "required": ["type", "title", "status"],
    },
}

HEADERS = {
    "ETag": ("What If-Match and If-None-Match compare.", r'^"[0-9a-f-]+"$'),
    "Link": ("The pages with rel=first and rel=next (RFC 8288).", "^<"),
    "Location": ("The new user.", "/api/users/[0-9]+$"),
    "Retry-After": ("Seconds after which it may be sent again.", "^[0-9]+$"),
    "WWW-Authenticate": ("How to prove that one may write.", "^Bearer "),
    "Allow": ("The methods of this address.", "^GET"),
}
# Those of them that may be missing.
OPTIONAL = {"Retry-After"}

PROBLEMS = {
    400: ("Malformed: a parameter, a header or the JSON.", []),
    401: ("Without the token, or with a wrong one.", ["WWW-Authenticate"]),
    403: ("Writing is off at this site.", []),
    404: ("There is no user with this id.", []),
    409: ("The name is taken by another user.", []),
    412: ("Changed since it was read: read it again.", []),
    413: ("The body is too large.", []),
    415: ("The body is not application/json.", []),
    422: ("A field is wrong, or another request has had the Idempotency-Key.", []),
    428: ("If-Match is missing.", []),
    503: ("Not done; or the outcome is unknown, see `type`.", ["Retry-After"]),
}


def headers_of(*names):
    return {
        name: {
            "description": HEADERS[name][0],
            "required": name not in OPTIONAL,
            "schema": {"type": "string", "pattern": HEADERS[name][1]},
        }
        for name in names
    }


def answer(description, schema=None, *headers, **more):
    told = {"description": description, "headers": headers_of(*headers)} | more
    if schema:
        content = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
        kind = "application/problem+json" if schema == "Problem" else "application/json"
        told["content"] = {kind: content}
    return told


def answers(done, *refusals):
    """The answers of an operation: `done`, status to answer, and the Problems by status."""
    told = {status: answer(PROBLEMS[status][0], "Problem", *PROBLEMS[status][1])
            for status in (*refusals, 503)}  # fmt: skip
    return {str(status): value for status, value in {**done, **told}.items()}


def parameter(place, name, schema, description, required=False):
    named = {"name": name, "in": place, "required": required or place == "path"}
    return named | {"schema": schema, "description": description}


TAGS = r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$'
IF_MATCH = parameter(
    "header",
    "If-Match",
    {"type": "string", "pattern": TAGS},
    "The ETag of the version that was read; * for any version.",
    required=True,
)
IF_NONE_MATCH = parameter(
    "header",
    "If-None-Match",
    {"type": "string"},
    "The ETag of the client's copy: 304 if that is still current.",
)
KEY = parameter(
    "header",
    "Idempotency-Key",
    {
        "type": "string",
        "pattern": rf'^"[ !#-\[\]-~]{{1,{LONGEST_KEY}}}"$',
        "examples": ['"8e03978e-40d5-43e8-bc93-6894a57f9324"'],
    },
    "A text in quotes that no other request has. A request that is sent again with it within 24 "
    "hours is not done again, and answered as before. Of two at a time one waits for the other.",
)
USER_ID = parameter("path", "id", ID, "The user's id.")
WRITING = [{"token": []}]


def body(schema):
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"required": True, "content": content}


def links_to_user():
    """The operations on the user in an answer (OpenAPI 3.1, 4.8.20)."""
    id, tag = {"path.id": "$response.body#/id"}, {"header.If-Match": "$response.header.ETag"}
    return {
        "read": {"operationId": "readUser", "parameters": id},
        "change": {"operationId": "changeUser", "parameters": id | tag},
        "delete": {"operationId": "deleteUser", "parameters": id | tag},
    }


NOT_MODIFIED = answer("The client's copy is current.", None, "ETag")
PATHS = {
    "/api/users": {
        "get": {
            "operationId": "listUsers",
            "summary": "A page of the users, by their ids",
            "parameters": [
                parameter(
                    "query",
                    "limit",
                    {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": HIGHEST_LIMIT,
                        "default": DEFAULT_LIMIT,
                    },
                    "How many at most.",
                ),
                parameter("query", "after", AFTER | {"default": 0}, "Those with ids above it."),
                IF_NONE_MATCH,
            ],
            "responses": answers(
                {200: answer("The page.", "UserPage", "ETag", "Link"), 304: NOT_MODIFIED}, 400
            ),
        },
        "post": {
            "operationId": "addUser",
            "summary": "Add a user",
            "security": WRITING,
            "parameters": [KEY],
            "requestBody": body("NewUser"),
            "responses": answers(
                {201: answer("Added.", "User", "ETag", "Location", links=links_to_user())},
                *(400, 401, 403, 409, 413, 415, 422),
            ),
        },
    },
    "/api/users/{id}": {
        "get": {
            "operationId": "readUser",
            "summary": "One user",
            "parameters": [USER_ID, IF_NONE_MATCH],
            "responses": answers(
                {200: answer("The user.", "User", "ETag"), 304: NOT_MODIFIED}, 404
            ),
        },
        "patch": {
            "operationId": "changeUser",
            "summary": "Change some fields of a user",
            "security": WRITING,
            "parameters": [USER_ID, IF_MATCH, KEY],
            "requestBody": body("UserChange"),
            "responses": answers(
                {200: answer("The changed user.", "User", "ETag", links=links_to_user())},
                *(400, 401, 403, 404, 409, 412, 413, 415, 422, 428),
            ),
        },
        "delete": {
            "operationId": "deleteUser",
            "summary": "Delete a user",
            "security": WRITING,
            "parameters": [USER_ID, IF_MATCH],
            "responses": answers({204: answer("Deleted.")}, 400, 401, 403, 404, 412, 428),
        },
    },
}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {
        "title": "The site's users",
        "version": "1",
        "description": "Reading is free, writing needs the token. Each address answers HEAD as "
        "GET, and OPTIONS with Allow.",
    },
    "paths": PATHS,
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
}


class Document:
    """The description, with the place where the site is mounted."""

    def GET(self):
        text = json_answer(DOCUMENT | {"servers": [{"url": web.ctx.homepath or "/"}]})
        return conditional(text, entity_tag(text))
