"""Dagster resources built from the settings: connections, storage, the worker process."""

import os

import dagster as dg

from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.engine import Engine
from tip_assets.runtime.io_managers import BoosterFiles, JsonFiles, ParquetFiles, ReportFolders
from tip_assets.settings import Settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.worker import FreshProcess


def resources(settings: Settings) -> dict[str, object]:
    """Return every resource by its key."""
    storage = settings.storage_root
    tracking_uri = _by_name("MLFLOW_TRACKING_URI", settings.tracking_uri)
    return {
        "settings": settings,
        "mlflow_tracking": _mlflow_tracking(settings, tracking_uri),
        "metric_store": MetricStore(url=_by_name("TIPS_METRIC_STORE", settings.metric_store_url)),
        "engine": Engine(name=settings.engine, scheduler=settings.dask_scheduler),
        "fresh_process": FreshProcess(tracking_uri=tracking_uri),
        "parquet_files": ParquetFiles(storage),
        "json_files": JsonFiles(storage),
        "booster_files": BoosterFiles(storage),
        "report_folders": ReportFolders(storage),
    }


def mlflow_tracking(settings: Settings) -> MlflowTracking:
    """Return the MLflow resource for these settings."""
    return _mlflow_tracking(settings, settings.tracking_uri)


def _mlflow_tracking(settings: Settings, tracking_uri: str) -> MlflowTracking:
    return MlflowTracking(
        tracking_uri=tracking_uri,
        artifact_root=str(settings.storage_root / "mlflow"),
        ui_url=settings.mlflow_ui_url,
    )


def _by_name(variable: str, value: str) -> str:
    """Return a value that may hold a password as a reference to its environment variable.

    Dagster's UI shows the configuration of resources: it then shows the variable's name.
    """
    return dg.EnvVar(variable) if os.environ.get(variable) == value else value
