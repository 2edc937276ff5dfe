"""What Schemathesis has to know of the site's own formats: which texts are right."""

import schemathesis
from hypothesis import strategies as st

# Cn: what is assigned is another matter in another version of Unicode.
_CHARACTERS = st.characters(exclude_categories=["Cc", "Cs", "Cn"])
_SEEN = st.characters(categories=["Lu", "Ll", "Nd", "Po", "Sm"])

schemathesis.openapi.format(
    "visible-text",
    st.tuples(_SEEN, st.text(_CHARACTERS, max_size=80)).map("".join),
)
