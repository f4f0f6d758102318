"""The only entry point of Dagster: assets, checks, jobs and resources put together.

Belongs here: wiring. Loading this module imports none of mlflow, evidently, xgboost, hyperopt or
matplotlib: assets import them when they run.
"""

import os

import dagster as dg

from tip_assets.assets import (
    best_params,
    drift_metrics,
    drift_report,
    production_model,
    raw_tips,
    registered_model,
    splits,
    trained_booster,
    transformed_tips,
)
from tip_assets.automation import jobs, run_sensors
from tip_assets.automation.landing_sensor import landing_sensor
from tip_assets.automation.schedules import monthly_schedule
from tip_assets.checks import drift, ingestion, model, order
from tip_assets.cli.console import progress_logger
from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.executor import one_process
from tip_assets.runtime.io_managers import BoosterFiles, JsonFiles, ParquetFiles, ReportFolders
from tip_assets.settings import Settings, get_settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.worker import FreshProcess

ASSET_MODULES = (
    raw_tips,
    transformed_tips,
    splits,
    best_params,
    trained_booster,
    registered_model,
    drift_report,
    drift_metrics,
    production_model,
)


def resources(settings: Settings) -> dict[str, object]:
    """Every resource by the name that assets ask for."""
    storage = settings.storage_root
    tracking_uri = _by_name("MLFLOW_TRACKING_URI", settings.tracking_uri)
    return {
        "settings": settings,
        "mlflow_tracking": _mlflow_tracking(settings, tracking_uri),
        "metric_store": MetricStore(url=_by_name("TIPS_METRIC_STORE", settings.metric_store_url)),
        "fresh_process": FreshProcess(tracking_uri=tracking_uri),
        "parquet_files": ParquetFiles(storage),
        "json_files": JsonFiles(storage),
        "booster_files": BoosterFiles(storage),
        "report_folders": ReportFolders(storage),
    }


def mlflow_tracking(settings: Settings) -> MlflowTracking:
    """The MLflow resource for these settings."""
    return _mlflow_tracking(settings, settings.tracking_uri)


def _mlflow_tracking(settings: Settings, tracking_uri: str) -> MlflowTracking:
    return MlflowTracking(
        tracking_uri=tracking_uri,
        artifact_root=str(settings.storage_root / "mlflow"),
        ui_url=settings.mlflow_ui_url,
    )


def _by_name(variable: str, value: str) -> str:
    """A value that may hold a password, by its environment variable.

    Dagster's pages show what resources are configured with: of this they show the name.
    """
    return dg.EnvVar(variable) if os.environ.get(variable) == value else value


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions of the platform."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules(ASSET_MODULES),
        asset_checks=dg.load_asset_checks_from_modules([ingestion, model, drift, order]),
        jobs=[jobs.monthly_retraining_job, jobs.ingestion_job, jobs.release_job],
        schedules=[monthly_schedule],
        sensors=[
            landing_sensor,
            run_sensors.success_report,
            run_sensors.failure_report,
            run_sensors.cancellation_report,
            run_sensors.silence_sensor,
        ],
        resources=resources(get_settings()),
        executor=one_process,
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )
