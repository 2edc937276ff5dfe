"""The shop.  `python main.py 8080` serves it."""

import os
import socket

import web
from sqlobject import *

import admin
import config
import mail
from model import *

web.config.debug = False

urls = (
    "/admin", admin.app,
    "/", "index",
    "/product/(.+)", "product",
    "/cart", "cart",
    "/order", "order",
    "/orders/([0-9]+)", "receipt",
    "/prices.csv", "prices",
)

app = web.application(urls, globals())
session = web.session.Session(
    app, web.session.DiskStore(config.sessions), initializer={"cart": {}, "orders": []}
)
helpers = {"title": shop_title}
render = web.template.render("templates/", base="layout", globals=helpers)


def served_by():
    web.header("X-Served-By", "%s-%s" % (socket.gethostname(), os.getpid()))


app.add_processor(web.loadhook(served_by))


def html(page):
    web.header("Content-Type", "text/html; charset=utf-8")
    return page


def find(sku):
    try:
        return Product.bySku(sku)
    except SQLObjectNotFound:
        raise web.notfound()


class index:
    def GET(self):
        return html(render.index(list(Product.select(orderBy="name"))))


class product:
    def GET(self, sku):
        product = find(sku)
        product.viewed += 1
        return html(render.product(product, list(product.prices)))


class cart:
    def GET(self):
        return html(render.cart(contents(), ""))

    def POST(self):
        i = web.input(sku="", quantity="1")
        product = find(i.sku)
        session.cart[product.sku] = session.cart.get(product.sku, 0) + int(i.quantity)
        raise web.seeother("/cart")


def contents():
    return [(Product.bySku(sku), quantity) for sku, quantity in sorted(session.cart.items())]


class order:
    def POST(self):
        email = web.input(email="").email
        if not session.cart:
            raise web.seeother("/cart")
        try:
            number = sqlhub.doInTransaction(place_order, email, session.cart)
        except OutOfStock as error:
            return html(render.cart(contents(), "We have not enough of: %s" % error))
        mail.send(email, "Your order %s" % number, "You owe us %.2f." % Order.get(number).total())
        session.cart = {}
        session.orders.append(number)
        raise web.seeother("/orders/%s" % number)


class receipt:
    def GET(self, id):
        if int(id) not in session.orders:
            raise web.notfound()
        return html(render.receipt(Order.get(int(id))))


class prices:
    """The catalogue for other programs."""

    def GET(self):
        web.header("Content-Type", "text/csv; charset=utf-8")
        yield "sku,name,price,stock\r\n"
        for product in Product.select(orderBy="sku"):
            row = (product.sku, product.name, product.price, product.stock)
            yield "%s,%s,%.2f,%s\r\n" % row


if __name__ == "__main__":
    app.run()
