"""What other systems learn of the platform from the Parameter Store.

Belongs here: those parameters and keeping them true. Does not belong here: those that are settings
(`settings/stored.py`).

`logged_model` is the model that serves, as MLflow loads it: `models:/waiter-tips/3`.
`artifact_paths` is JSON: where landing, quarantine, assets, reports and MLflow's artifacts lie.
"""

import json

from tip_assets.runtime.storage import artifact_paths
from tip_assets.settings import REGISTERED_MODEL, Settings
from tip_assets.settings.parameter_store import ParameterStore
from tip_assets.settings.stored import STORED

LOGGED_MODEL, ARTIFACT_PATHS = "logged_model", "artifact_paths"
NAMES = (LOGGED_MODEL, ARTIFACT_PATHS, *(parameter for parameter, _ in STORED.values()))


def publish_parameters(settings: Settings) -> list[str]:
    """Write what has changed, if a Parameter Store is used at all.

    Gives the trouble, in words: like a message that cannot be delivered it fails nothing.
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
    """The champion by the registry's alias, which is what serves; nothing if there is none yet."""
    from tip_assets.runtime.resources import mlflow_tracking
    from tip_assets.tracking.registry import CHAMPION, ModelRegistry

    champion = ModelRegistry(mlflow_tracking(settings).client).by_alias(CHAMPION)
    return {LOGGED_MODEL: f"models:/{REGISTERED_MODEL}/{champion.number}"} if champion else {}
