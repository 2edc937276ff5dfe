"""What differs from one machine to the next."""

import os

title = "The wiki"
database_uri = os.environ.get("DATABASE_URI", "sqlite:/srv/wiki/wiki.db")
outbox = os.environ.get("WIKI_OUTBOX", "/srv/wiki/outbox")
sender = "wiki@example.org"
