"""What a client sends, read within limits; anything wrong raises the Problem that says so."""

import json
import re
import unicodedata
from urllib.parse import parse_qs

import web

from app.settings import settings
from app.web.problems import Problem, wrong_fields

LARGEST_ID = 2**63 - 1
MOST_PARAMETERS = 100


def number(text, highest=LARGEST_ID):
    """Return the whole number written in `text` in ASCII digits, or None if above `highest`."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > highest:
        return None
    return int(text)


def query_number(name, default, lowest, highest=LARGEST_ID):
    """Return the number in the query parameter `name`; raises Problem 400 if it is wrong."""
    query = _query()
    if name not in query:
        return default
    found = number(query[name][0], highest) if len(query[name]) == 1 else None
    if found is None or found < lowest:
        fault = f"must be one whole number from {lowest} to {highest}"
        raise wrong_fields(400, {name: fault})
    return found


def query_text(name, longest, default=""):
    """Return the text in the query parameter `name`, of at most `longest` characters.

    Raises Problem 400 if it is longer, stands twice, or has control characters.
    """
    texts = _query().get(name, [default])
    if len(texts) > 1 or len(texts[0]) > longest or not _is_plain(texts[0]):
        fault = f"must be one text of at most {longest} characters without control characters"
        raise wrong_fields(400, {name: fault})
    return texts[0]


def _is_plain(text):
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def query_numbers(name, most):
    """Return the list of numbers, 1 to `most` of them with commas between, in parameter `name`.

    Raises Problem 400 if it is missing or wrong.
    """
    found = [number(text) for text in ",".join(_query().get(name, [])).split(",")]
    if None in found or len(found) > most:
        fault = f"must be whole numbers with commas between, at most {most}"
        raise wrong_fields(400, {name: fault})
    return found


def _query():
    try:
        return parse_qs(web.ctx.env.get("QUERY_STRING", ""), True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise Problem(400, f"More than {MOST_PARAMETERS} query parameters.") from None


def body(content_type):
    """Return the bytes of the request's body.

    Raises Problem 415 unless it is of `content_type`, 413 if it has more than SITE_MAX_BODY
    bytes, 400 if it ends early.
    """
    environ = web.ctx.env
    sent = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if sent != content_type:
        raise Problem(415, f"Send the body as {content_type}.", {"Accept": content_type})
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return _read(settings.max_body + 1, whole=False)
    length = environ.get("CONTENT_LENGTH") or "0"
    if not re.fullmatch("[0-9]+", length):
        raise Problem(400, "The Content-Length is not a number.")
    if number(length, settings.max_body) is None:
        raise _too_large()
    return _read(int(length), whole=True)


def _read(size, whole):
    try:
        data = web.ctx.env["wsgi.input"].read(size)
    except OSError:
        # mod_wsgi raises it where the client has gone or is too slow.
        data = None
    if data is None or (whole and len(data) < size):
        raise Problem(400, "The body ended early.")
    if len(data) > settings.max_body:
        raise _too_large()
    return data


def _too_large():
    return Problem(413, f"The body may have at most {settings.max_body} bytes.")


def form():
    """Return the fields of an urlencoded form; a field sent twice has its first value.

    Raises Problem as `body` does, and 400 for too many fields.
    """
    text = body("application/x-www-form-urlencoded").decode("utf-8", "replace")
    try:
        fields = parse_qs(text, True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise Problem(400, f"More than {MOST_PARAMETERS} form fields.") from None
    return {name: values[0] for name, values in fields.items()}


def json_object():
    """Return the JSON object (RFC 8259) in the body as a dict.

    Raises Problem as `body` does, and 400 for a body that is not JSON in UTF-8, not an object,
    nested too deeply, or has a name twice, NaN or Infinity.
    """
    data = body("application/json")
    try:
        found = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except RecursionError:
        raise Problem(400, "The JSON is nested too deeply.") from None
    except ValueError as error:
        raise Problem(400, f"The body is not JSON in UTF-8: {error}.") from None
    if not isinstance(found, dict):
        raise Problem(400, "The body must be a JSON object.")
    return found


def _unique(pairs):
    found = {}
    for name, value in pairs:
        if name in found:
            raise wrong_fields(400, {shortened(name): "stands twice in the JSON object"})
        found[name] = value
    return found


def _no_constant(name):
    raise ValueError(f"{name} is not a JSON number")


def shortened(name):
    """Return a client's field name, cut to a length that fits an error answer."""
    return name if len(name) <= 100 else name[:100] + "…"
