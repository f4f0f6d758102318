"""Links on Dagster's pages of assets, from the settings when the definitions load."""

from typing import Any

import dagster as dg

from tip_assets.settings import REGISTERED_MODEL, get_settings


def app_page(page: str) -> dict[str, Any]:
    """Return the metadata of an asset with a link to a page of the app."""
    return {"app": dg.MetadataValue.url(f"{get_settings().app_url}/{page}")}


def model_page() -> dict[str, Any]:
    """Return the metadata of an asset with a link to the model's versions in MLflow."""
    url = f"{get_settings().mlflow_ui_url}/#/models/{REGISTERED_MODEL}"
    return {"mlflow_model": dg.MetadataValue.url(url)}
