"""What Schemathesis has to know of the site's API beyond what OpenAPI can say."""

import re
import uuid

import schemathesis
from hypothesis import strategies as st

from app.openapi import KEY

# Cn: what is assigned is another matter in another version of Unicode.
_CHARACTERS = st.characters(exclude_categories=["Cc", "Cs", "Cn"])
_SEEN = st.characters(categories=["Lu", "Ll", "Nd", "Po", "Sm"])

schemathesis.openapi.format(
    "visible-text",
    st.tuples(_SEEN, st.text(_CHARACTERS, max_size=80)).map("".join),
)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Give each request whose Idempotency-Key is well-formed one that no other has.

    The coverage phase of Schemathesis 4.32 has a malformed one in some requests that it takes for
    valid: there it is left out.
    """
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(KEY["schema"]["pattern"], key):
        case.headers["Idempotency-Key"] = f'"{uuid.uuid4()}"'
    elif key is not None and case.meta and case.meta.generation.mode.is_positive:
        del case.headers["Idempotency-Key"]
