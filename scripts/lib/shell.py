"""What scripts/shell runs before its first prompt: the classes, and a regular connection."""

from app.settings import SettingsError, stop

try:
    from app import load_sqlo
    from app.tables import SchemaError, site_models

    load_sqlo()
    models = {model.__name__: model for model in site_models(with_pages=False)}
except SettingsError as error:
    stop(error)
except SchemaError as error:
    stop(SettingsError(error))
globals().update(models)
print("models:", *sorted(models))
del SchemaError, SettingsError, models, site_models, stop
