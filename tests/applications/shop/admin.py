"""The administration, an application of its own below /admin."""

import base64

import web
from sqlobject import *
from sqlobject import dberrors

import config
import mail
import supplier
from model import *

urls = (
    "", "slash",
    "/", "overview",
    "/price/(.+)", "price",
    "/title", "title",
    "/product", "new_product",
    "/deliveries", "deliveries",
    "/orders.csv", "export",
)

app = web.application(urls, globals())
helpers = {"title": shop_title}
render = web.template.render("templates/", base="layout", globals=helpers)


def need_password():
    given = web.ctx.env.get("HTTP_AUTHORIZATION", "")
    expected = base64.b64encode(("%s:%s" % config.admin).encode("utf-8")).decode("ascii")
    if given != "Basic " + expected:
        raise web.HTTPError(
            "401 Unauthorized", {"WWW-Authenticate": 'Basic realm="admin"'}, "Who are you?"
        )


def audit():
    Audit(who=config.admin[0], path=web.ctx.method + " " + web.ctx.path)


app.add_processor(web.loadhook(need_password))
app.add_processor(web.unloadhook(audit))


def html(page):
    web.header("Content-Type", "text/html; charset=utf-8")
    return page


class slash:
    def GET(self):
        raise web.seeother("/")


class overview:
    def GET(self):
        products = list(Product.select(orderBy="sku"))
        return html(
            render.overview(
                products, Order.select().count(), mail.sent(), Audit.select().count(), ""
            )
        )


class price:
    def POST(self, sku):
        product = Product.bySku(sku)
        old, new = product.price, web.input(price="0").price
        product.price = new
        PriceChange(product=product, old=old, new=new)
        raise web.seeother("/")


class title:
    def POST(self):
        Setting.byName("title").value = web.input(title="").title
        raise web.seeother("/")


class new_product:
    def POST(self):
        i = web.input(sku="", name="", price="0", stock="0")
        try:
            Product(sku=i.sku, name=i.name, price=i.price, stock=int(i.stock))
        except dberrors.DuplicateEntryError:
            products = list(Product.select(orderBy="sku"))
            message = "%s is there already." % i.sku
            return html(
                render.overview(
                    products, Order.select().count(), mail.sent(), Audit.select().count(), message
                )
            )
        raise web.seeother("/")


class deliveries:
    def POST(self):
        skus = [product.sku for product in Product.select(Product.q.stock < 100, orderBy="sku")]
        for sku, quantity in supplier.deliveries(skus):
            product = Product.bySku(sku)
            product.stock += quantity
        raise web.seeother("/")


class export:
    """All orders for the bookkeeper, line after line."""

    def GET(self):
        web.header("Content-Type", "text/csv; charset=utf-8")
        yield "order,email,sku,quantity,price\r\n"
        for line in OrderLine.select(orderBy="id"):
            order, product = line.order, line.product
            row = (order.id, order.email, product.sku, line.quantity, line.price)
            yield "%s,%s,%s,%s,%.2f\r\n" % row
