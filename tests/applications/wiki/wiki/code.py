"""The wiki's pages.  `python -m wiki.code 8080` serves it."""

import mimetypes
import os
import socket
import threading
import time

import web
from sqlobject import *
from sqlobject import dberrors

from wiki import config, mail, view
from wiki.model import *
from wiki.view import plain, render

urls = (
    "/", "index",
    "/page/(.+)", "page",
    "/edit/(.+)", "edit",
    "/history/(.+)", "history",
    "/diff/(.+)", "diff",
    "/undo/(.+)", "undo",
    "/attach/(.+)", "attach",
    "/file/([0-9]+)/.*", "download",
    "/watch/(.+)", "watch",
    "/search", "search",
    "/changes", "changes",
    "/register", "register",
    "/login", "login",
    "/logout", "logout",
    "/account", "account",
)

app = web.application(urls, globals())
# Before load_sqlo: else SQLite is locked when the session is saved.
session = web.session.Session(
    app, web.session.DBStore(session_database(), "sessions"), initializer={"user": None}
)
app.add_processor(load_sqlo)


def served_by():
    web.header("X-Served-By", "%s-%s" % (socket.gethostname(), os.getpid()))


app.add_processor(web.loadhook(served_by))


def html(page):
    web.header("Content-Type", "text/html; charset=utf-8")
    return page


def need_user():
    if not session.user:
        raise web.seeother("/login")


def find(title):
    try:
        return Page.byTitle(title)
    except SQLObjectNotFound:
        raise web.notfound()


class index:
    def GET(self):
        raise web.seeother("/page/FrontPage")


class page:
    def GET(self, title):
        page = find(title)
        page.views += 1
        return html(render.page(page, view.markup(page.text), session.user))


class edit:
    def GET(self, title):
        need_user()
        found = list(Page.selectBy(title=title))
        text = found and found[0].text or ""
        base = found and len(found[0].revisions) or 0
        return html(render.edit(title, text, base, ""))

    def POST(self, title):
        need_user()
        i = web.input(text="", comment="", base="0")
        found = list(Page.selectBy(title=title))
        page = found and found[0] or Page(title=title)
        if len(page.revisions) != int(i.base):
            web.ctx.status = "409 Conflict"
            changes = view.difference(page.text, i.text)
            return html(render.edit(title, page.text, len(page.revisions), changes))
        number = page.revise(i.text, session.user, i.comment)
        threading.Thread(target=notify, args=(page.id, number, session.user)).start()
        raise web.seeother("/page/" + web.urlquote(title))


def notify(page_id, number, author):
    """Tell those who watch a page; runs in a thread, so that nobody waits for the mail server."""
    time.sleep(0.2)  # until the request has committed
    con = connectionForURI(config.database_uri)
    page = Page.get(page_id, connection=con)
    path = page.title.encode("utf-8").decode("latin-1")  # as a server gives it to WSGI
    query = "?old=%s&new=%s" % (number - 1, number)
    text = app.request("/diff/" + path + query).data.decode("utf-8")
    for account in page.accounts:
        if account.name != author:
            account.set(notices=account.notices + 1, last_notice=text)
            mail.send(account.name, "%s was changed" % page.title, text)


class history:
    def GET(self, title):
        page = find(title)
        return html(render.history(page, list(page.revisions)))


class diff:
    def GET(self, title):
        i = web.input(old="1", new="2")
        texts = dict((r.number, r.text) for r in find(title).revisions)
        old, new = texts.get(int(i.old), ""), texts.get(int(i.new), "")
        web.header("Content-Type", "text/plain; charset=utf-8")
        return view.difference(old, new)


class undo:
    def POST(self, title):
        need_user()
        page = find(title)
        revisions = list(page.revisions)
        if len(revisions) > 1:
            page.revise(revisions[-2].text, session.user, "undo %s" % revisions[-1].number)
        raise web.seeother("/page/" + web.urlquote(title))


class attach:
    def POST(self, title):
        need_user()
        i = web.input(myfile={})
        if not i.myfile.filename:
            raise web.badrequest()
        name = i.myfile.filename.replace("\\", "/").split("/")[-1]
        mimetype = mimetypes.guess_type(name)[0] or "application/octet-stream"
        page = find(title)
        for old in Attachment.selectBy(page=page, name=name):
            old.destroySelf()
        Attachment(page=page, name=name, mimetype=mimetype, content=i.myfile.file.read())
        raise web.seeother("/page/" + web.urlquote(title))


class download:
    def GET(self, id):
        try:
            attachment = Attachment.get(int(id))
        except SQLObjectNotFound:
            raise web.notfound()
        web.header("Content-Type", attachment.mimetype)
        return attachment.content


class watch:
    def POST(self, title):
        need_user()
        page, account = find(title), Account.byName(session.user)
        if account not in page.accounts:
            page.addAccount(account)
        raise web.seeother("/page/" + web.urlquote(title))


class search:
    def GET(self):
        q = web.input(q="").q
        found = Page.select(
            OR(CONTAINSSTRING(Page.q.title, q), CONTAINSSTRING(Page.q.text, q)), orderBy="title"
        )
        return html(render.search(q, list(found)))


class changes:
    """The recent changes as a feed."""

    def GET(self):
        revisions = Revision.select(orderBy="-id")[:20]
        web.header("Content-Type", "application/atom+xml; charset=utf-8")
        return plain.changes(list(revisions))


class register:
    def GET(self):
        return html(render.login("register", ""))

    def POST(self):
        i = web.input(name="", password="")
        try:
            Account(name=i.name, password=encrypt(i.password))
        except dberrors.DuplicateEntryError:
            return html(render.login("register", "That name is taken."))
        session.user = i.name
        raise web.seeother("/page/FrontPage")


class login:
    def GET(self):
        return html(render.login("login", ""))

    def POST(self):
        i = web.input(name="", password="")
        found = list(Account.selectBy(name=i.name))
        if not found or not found[0].check(i.password):
            return html(render.login("login", "Wrong name or password."))
        session.user = found[0].name
        raise web.seeother("/page/FrontPage")


class logout:
    def POST(self):
        session.kill()
        raise web.seeother("/page/FrontPage")


class account:
    def GET(self):
        need_user()
        return html(render.account(Account.byName(session.user)))


if __name__ == "__main__":
    app.run()
