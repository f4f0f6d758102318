"""Addresses of pages of Dagster and MLflow, from the settings when a page is drawn."""

from tip_assets.settings import REGISTERED_MODEL, get_settings


def version_in_mlflow(number: int) -> str:
    return f"{get_settings().mlflow_ui_url}/#/models/{REGISTERED_MODEL}/versions/{number}"


def run_in_dagster(run_id: str) -> str:
    return f"{get_settings().dagster_ui_url}/runs/{run_id}"


def month_in_dagster(asset: str, month: str) -> str:
    """The page of an asset with a month selected."""
    return f"{get_settings().dagster_ui_url}/assets/{asset}?view=partitions&partition={month}"
