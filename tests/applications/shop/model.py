"""The shop's tables.  `python model.py` makes them."""

import datetime

from sqlobject import *

import config

sqlhub.processConnection = connectionForURI(config.database_uri)


class Setting(SQLObject):
    name = StringCol(length=40, alternateID=True)
    value = UnicodeCol(length=200)


class Product(SQLObject):
    sku = StringCol(length=20, alternateID=True)
    name = UnicodeCol(length=80)
    price = DecimalCol(size=10, precision=2)
    stock = IntCol(default=0)
    viewed = IntCol(default=0)
    prices = MultipleJoin("PriceChange", orderBy="id")


class PriceChange(SQLObject):
    product = ForeignKey("Product", cascade=True)
    old = DecimalCol(size=10, precision=2)
    new = DecimalCol(size=10, precision=2)
    changed = DateTimeCol(default=datetime.datetime.now)


class Order(SQLObject):
    class sqlmeta:
        table = "orders"

    email = UnicodeCol(length=80)
    created = DateTimeCol(default=datetime.datetime.now)
    lines = MultipleJoin("OrderLine", joinColumn="order_id", orderBy="id")

    def total(self):
        return sum(line.price * line.quantity for line in self.lines)


class OrderLine(SQLObject):
    order = ForeignKey("Order", cascade=True)
    product = ForeignKey("Product")
    quantity = IntCol()
    price = DecimalCol(size=10, precision=2)


class Audit(SQLObject):
    """What was asked for in the administration."""

    who = StringCol(length=40)
    path = UnicodeCol(length=200)
    at = DateTimeCol(default=datetime.datetime.now)


tables = (Setting, Product, PriceChange, Order, OrderLine, Audit)


class OutOfStock(Exception):
    pass


def place_order(email, cart):
    """Order what is in the cart, a dict of sku and quantity; returns the number of the order."""
    order = Order(email=email)
    for sku, quantity in sorted(cart.items()):
        product = Product.bySku(sku)
        if product.stock < quantity:
            raise OutOfStock(product.name)
        product.stock -= quantity
        OrderLine(order=order, product=product, quantity=quantity, price=product.price)
    return order.id


_title = None


def shop_title():
    global _title
    if _title is None:
        _title = Setting.byName("title")
    return _title.value


def create_tables():
    for table in tables:
        table.createTable(ifNotExists=True)
    if not Setting.select().count():
        Setting(name="title", value="The shop")
        for sku, name, price in (("A1", "Apple", "0.50"), ("B2", "Bread", "3.20")):
            Product(sku=sku, name=name, price=price, stock=10)


if __name__ == "__main__":
    create_tables()
