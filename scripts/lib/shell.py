"""What scripts/shell has done before its first prompt: the models, and a regular connection."""

from sqlobject import classregistry

from app import app, load_sqlo  # noqa: F401
from app.models import *  # noqa: F403

load_sqlo()
print("models:", *sorted({*classregistry.registry(None).classes} - {"SQLObject"}))
