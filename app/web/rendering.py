"""HTML pages out of app/templates; web.py's templator escapes every `$value`."""

import web

from app.settings import ROOT

# Cached whatever web.config.debug says: new templates are picked up as new code is.
_templates = web.template.render(
    str(ROOT / "app" / "templates"), cache=True, base="layout", globals={"ctx": web.ctx}
)


def page(template, *values):
    """Return the text of a template of app/templates in the layout and set its content type."""
    web.header("Content-Type", "text/html; charset=utf-8")
    return str(getattr(_templates, template)(*values))
