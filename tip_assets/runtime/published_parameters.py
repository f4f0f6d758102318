"""Publish parameters for other systems in the Parameter Store.

`logged_model` is the URI of the model that serves: `models:/waiter-tips/3`. `artifact_paths` is
JSON with the paths of landing, quarantine, assets, reports and MLflow's artifacts. Settings in the
store are read by `settings/stored.py`.
"""

import json

from tip_assets.runtime.storage import artifact_paths
from tip_assets.settings import REGISTERED_MODEL, Settings
from tip_assets.settings.parameter_store import ParameterStore
from tip_assets.settings.stored import STORED

LOGGED_MODEL, ARTIFACT_PATHS = "logged_model", "artifact_paths"
NAMES = (LOGGED_MODEL, ARTIFACT_PATHS, *(parameter for parameter, _ in STORED.values()))


def publish_parameters(settings: Settings) -> list[str]:
    """Write changed parameters if a Parameter Store is used.

    Returns error descriptions instead of raising: like a notification, it must not fail a run.
    """
    if not settings.parameter_prefix:
        return []
    try:
        paths = json.dumps(artifact_paths(settings.storage_root))
        values = {ARTIFACT_PATHS: paths} | _logged_model(settings)
        ParameterStore(settings.parameter_prefix).write(values)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not fail a month
        return [f"{type(error).__name__}: {error}"]
    return []


def _logged_model(settings: Settings) -> dict[str, str]:
    """Return the URI of the champion by the registry's alias; empty if there is none."""
    from tip_assets.runtime.resources import mlflow_tracking
    from tip_assets.tracking.registry import CHAMPION, ModelRegistry

    champion = ModelRegistry(mlflow_tracking(settings).client).by_alias(CHAMPION)
    return {LOGGED_MODEL: f"models:/{REGISTERED_MODEL}/{champion.number}"} if champion else {}
