"""What differs from one machine to the next."""

import os

database_uri = os.environ.get("DATABASE_URI", "sqlite:/srv/shop/shop.db")
sessions = os.environ.get("SHOP_SESSIONS", "/srv/shop/sessions")
outbox = os.environ.get("SHOP_OUTBOX", "/srv/shop/outbox")
sender = "shop@example.org"
admin = ("admin", os.environ.get("SHOP_PASSWORD", "secret"))
