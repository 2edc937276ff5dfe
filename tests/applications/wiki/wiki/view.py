"""How the wiki's pages are made."""

import difflib
import os
import re

import web

from wiki import config

templates = os.path.join(os.path.dirname(__file__), "templates")
helpers = {"ctx": web.ctx, "title": config.title, "urlquote": web.urlquote}
render = web.template.render(templates, base="layout", globals=helpers)
plain = web.template.render(templates, globals=helpers)


def markup(text):
    """Wiki text as HTML: [[links]], = headings = and paragraphs."""
    html = []
    for block in re.split("\r?\n\r?\n", web.websafe(text)):
        heading = re.match("^= (.*) =$", block)
        if heading:
            html.append("<h2>%s</h2>" % heading.group(1))
        else:
            html.append("<p>%s</p>" % re.sub(r"\[\[(.+?)\]\]", link, block))
    return "\n".join(html)


def link(match):
    title = match.group(1)
    return '<a href="%s/page/%s">%s</a>' % (web.ctx.homepath, web.urlquote(title), title)


def difference(old, new):
    return "\n".join(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm=""))
