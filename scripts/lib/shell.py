"""What scripts/shell has done before its first prompt: the models, and a regular connection."""

from sqlobject import classregistry

from app.models import *  # noqa: F403
from app.settings import SettingsError, stop

try:
    from app import app, load_sqlo  # noqa: F401
except SettingsError as error:
    stop(error)
load_sqlo()
print("models:", *sorted({*classregistry.registry(None).classes} - {"SQLObject"}))
del SettingsError, classregistry, stop
