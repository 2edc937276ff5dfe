"""What customers and the administrator do with the shop, one after the other and at once."""

import csv
import io
import re

import httpx

from tests.applications.driving import (
    DEADLINE,
    Visitor,
    check_count,
    check_shown,
    from_every_process,
    number,
    text,
    together,
)

ADMIN = ("admin", "secret")


def flow(base):
    """Use all of a shop that was just created; return what was answered."""
    answers = []
    with (
        Visitor(base, answers) as ada,
        Visitor(base, answers) as grace,
        Visitor(base, answers, auth=ADMIN) as admin,
    ):
        _catalogue(ada)
        _orders(ada, grace)
        _oversold(grace)
        _administration(ada, admin)
        _exports(ada, admin)
    return answers


def shown(base):
    """What a used shop shows."""
    answers = []
    with Visitor(base, answers, auth=ADMIN) as admin:
        for path in ("/", "/prices.csv", "/admin/orders.csv"):
            admin.get(path)
    return answers


def _catalogue(ada):
    for path in ada.links(ada.get("/")):
        for further in ada.links(ada.get(path)):
            if further != "/order":
                ada.get(further)
    seen = number(ada.get("/product/A1"), "viewed")
    assert [number(ada.get("/product/A1"), "viewed") for _ in range(4)] == [
        seen + more for more in range(1, 5)
    ]
    ada.get("/product/Z9", status=404)


def _orders(ada, grace):
    assert ada.post("/order", email="ada@example.org").headers["Location"].endswith("/cart")
    ada.post("/cart", sku="A1", quantity="2")
    ada.post("/cart", sku="B2", quantity="1")
    cart = ada.follow(ada.post("/cart", sku="A1", quantity="1"))
    assert "<td>A1</td><td>3</td><td>1.50</td>" in cart.text
    grace.post("/cart", sku="B2", quantity="1")
    receipt = ada.follow(ada.post("/order", email="ada@example.org"))
    assert text(receipt, "total") == "4.70"
    assert "<td>" not in ada.get("/cart").text
    assert number(ada.get("/product/A1"), "stock") == 7
    grace.get(ada.path(str(receipt.url)), status=404)


def _oversold(grace):
    """A failed order leaves nothing: no order, and no smaller stock."""
    grace.post("/cart", sku="B2", quantity="100")
    grace.post("/cart", sku="A1", quantity="1")
    refused = grace.post("/order", status=200, email="grace@example.org")
    assert "We have not enough of: Bread" in refused.text
    assert "<td>B2</td><td>101</td>" in refused.text
    assert number(grace.get("/product/A1"), "stock") == 7
    assert number(grace.get("/product/B2"), "stock") == 9


def _administration(ada, admin):
    ada.get("/admin/", status=401)
    for path in admin.links(admin.follow(admin.get("/admin", status=303))):
        admin.get(path)
    admin.follow(admin.post("/admin/price/A1", price="0.60"))
    page = ada.get("/product/A1")
    assert (text(page, "price"), "<s>0.50</s>" in page.text) == ("0.60", True)
    made = {"sku": "C3", "name": "Käse", "price": "9.99", "stock": "1"}
    admin.follow(admin.post("/admin/product", **made))
    assert "C3 is there already." in admin.post("/admin/product", status=200, **made).text
    assert "Käse" in ada.get("/product/C3").text
    admin.follow(admin.post("/admin/deliveries"))
    assert number(ada.get("/product/A1"), "stock") == 12
    admin.follow(admin.post("/admin/title", title="The corner shop"))
    assert "The corner shop" in text(ada.get("/"), "title")
    assert "1 orders, 1 mails, " in text(admin.get("/admin/"), "counts")


def _exports(ada, admin):
    assert ada.get("/prices.csv").text.splitlines() == [
        "sku,name,price,stock", "A1,Apple,0.60,12", "B2,Bread,3.20,14", "C3,Käse,9.99,6",
    ]  # fmt: skip
    assert [row[2:] for row in _rows(admin.get("/admin/orders.csv"))] == [
        ["sku", "quantity", "price"], ["A1", "3", "0.50"], ["B2", "1", "3.20"],
    ]  # fmt: skip


def _rows(answer):
    return list(csv.reader(io.StringIO(answer.text)))


def nothing_is_lost(base, clients=6, each=4, stock=15):
    """If customers order more than the stock, just the stock is sold; each order has one mail."""
    with Visitor(base, auth=ADMIN) as admin:
        admin.post("/admin/product", sku="RARE", name="Rare", price="1", stock=str(stock))
        mails, before = _mails_and_orders(admin)

        def buy(me):
            taken = 0
            for _ in range(each):
                with Visitor(base) as customer:
                    customer.post("/cart", sku="RARE", quantity="1")
                    answer = customer.post("/order", status=None, email=f"{me}@example.org")
                    if answer.status_code == 303:
                        receipt = customer.follow(answer)
                        assert "<td>RARE</td><td>1</td>" in receipt.text
                        taken += 1
            return taken

        assert sum(together(clients, buy)) == stock
        assert number(admin.get("/product/RARE"), "stock") == 0
        sold = [row for row in _rows(admin.get("/admin/orders.csv")) if row[2] == "RARE"]
        assert len(sold) == len({row[0] for row in sold}) == stock
        assert _mails_and_orders(admin) == (mails + stock, before + stock)


def _mails_and_orders(admin):
    orders, mails = re.search(r"(\d+) orders, (\d+) mails", admin.get("/admin/").text).groups()
    return int(mails), int(orders)


def no_view_is_lost(base, clients=6, each=15):
    """Each answered view of a product is counted once."""
    before = number(httpx.get(f"{base}/product/B2", timeout=DEADLINE), "viewed")

    def view(_):
        with httpx.Client(timeout=DEADLINE) as http:
            return sum(http.get(f"{base}/product/B2").is_success for _ in range(each))

    answered = sum(together(clients, view))
    assert answered > clients * each / 2
    check_count(
        before + answered + 1, number(httpx.get(f"{base}/product/B2", timeout=DEADLINE), "viewed")
    )


def no_page_is_stale(base, processes, rounds=3):
    """Acknowledged changes of a price, a stock and a title are on the pages of every process."""
    with Visitor(base, auth=ADMIN) as admin:
        for turn in range(1, rounds + 1):
            price, title = f"{turn}.25", f"Title {turn}"
            admin.post("/admin/price/B2", price=price)
            admin.post("/admin/title", title=title)
            for path in ("/product/B2", "/prices.csv", "/"):
                for answer in from_every_process(base, path, processes):
                    check_shown(price, answer)
                    check_shown(title if path != "/prices.csv" else price, answer)
