"""Answers as text: JSON, and HTML pages out of a folder of templates.

web.py's templator escapes every `$value`.
"""

import json

import web


def renderer(folder, **names):
    """Return the function that renders the templates of `folder`, a Path, into their layout.

    It is called with a template's name and values; it returns the page's text and sets its content
    type. `folder` has a template named layout. Each template has `names`, and web.ctx as `ctx`.
    """
    # Cached whatever web.config.debug says: new templates are taken up like new code.
    templates = web.template.render(
        str(folder), cache=True, base="layout", globals={"ctx": web.ctx, **names}
    )

    def page(template, *values):
        text = str(getattr(templates, template)(*values))
        # Only once, even where the text is produced twice.
        web.header("Content-Type", "text/html; charset=utf-8")
        return text

    return page


def json_answer(value):
    """Return `value` as the text of an answer in JSON and set its content type."""
    web.header("Content-Type", "application/json")
    return json.dumps(value) + "\n"
