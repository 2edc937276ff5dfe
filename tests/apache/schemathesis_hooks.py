"""What Schemathesis has to know of the site's API beyond what OpenAPI can say."""

import re
import uuid

import schemathesis
from hypothesis import strategies as st

from app.openapi import KEY

# Without Cn: another version of Unicode assigns other characters.
_CHARACTERS = st.characters(exclude_categories=["Cc", "Cs", "Cn"])
_SEEN = st.characters(categories=["Lu", "Ll", "Nd", "Po", "Sm"])

schemathesis.openapi.format(
    "visible-text",
    st.tuples(_SEEN, st.text(_CHARACTERS, max_size=80)).map("".join),
)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Replace each well-formed Idempotency-Key by one that no other request has.

    In its coverage phase Schemathesis 4.32 takes some requests with a malformed key for valid:
    these lose the header.
    """
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(KEY["schema"]["pattern"], key):
        case.headers["Idempotency-Key"] = f'"{uuid.uuid4()}"'
    elif key is not None and case.meta and case.meta.generation.mode.is_positive:
        del case.headers["Idempotency-Key"]
