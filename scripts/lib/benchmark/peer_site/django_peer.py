"""Django with ATOMIC_REQUESTS and persistent connections; no middleware, as we have none.

A write locks its row where the engine can, because otherwise updates would be lost. SQLite's
transactions begin as readers, and of two that write at once it refuses one.
"""

import os
import random
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

ROWS = int(os.environ["BENCHMARK_ROWS"])
ENGINES = {"sqlite": "sqlite3", "postgres": "postgresql", "mysql": "mysql"}


def database(uri):
    """Django's notation of the database at `uri`, as SQLObject writes it."""
    parts = urlsplit(uri)
    found = {
        "ENGINE": f"django.db.backends.{ENGINES[parts.scheme]}",
        "ATOMIC_REQUESTS": True,
        "CONN_MAX_AGE": None,
    }
    if parts.scheme == "sqlite":
        return found | {"NAME": parts.path}
    found |= {"NAME": parts.path[1:], "HOST": parts.hostname, "PORT": parts.port}
    return found | {"USER": parts.username, "PASSWORD": unquote(parts.password)}


settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": database(os.environ["BENCHMARK_DATABASE"])},
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not used here, but Django wants one",
)
django.setup()

# Both ask for the settings when they are imported.
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402


class Item(models.Model):
    class Meta:
        app_label = "peer"
        db_table = "item"

    name = models.CharField(max_length=50)
    note = models.CharField(max_length=100)
    number = models.IntegerField(default=0)


def empty(_request):
    return HttpResponse("no database")


def row(_request):
    return HttpResponse(Item.objects.get(pk=7).name)


def twenty(_request):
    numbers = range(1, 21)
    return HttpResponse(" ".join(Item.objects.get(pk=number).name for number in numbers))


def listed(_request):
    return HttpResponse(" ".join(item.name for item in Item.objects.all()))


def write(_request):
    item = Item.objects.select_for_update().get(pk=random.randint(1, ROWS))
    item.number = item.number + 1
    item.save(update_fields=["number"])
    return HttpResponse("written")


urlpatterns = [
    path("empty", empty),
    path("row", row),
    path("twenty", twenty),
    path("list", listed),
    path("write", write),
]
application = get_wsgi_application()
