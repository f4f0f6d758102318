"""`drift_report`: four pages a person can read. Also how both drift assets get their datasets."""

from typing import Any

import dagster as dg
import pandas as pd

from tip_assets.drift.datasets import Datasets, first_month_datasets, serving_datasets
from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.drift.rule import Thresholds
from tip_assets.partitions import OWNERS, months
from tip_assets.runtime.storage import report_folder
from tip_assets.settings import Settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.registry import ModelRegistry
from tip_assets.tracking.worker import FreshProcess


@dg.asset(
    partitions_def=months,
    group_name="monitoring",
    kinds={"evidently"},
    owners=OWNERS,
    io_manager_key="report_folders",
    code_version="1",
)
def drift_report(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    mlflow_tracking: MlflowTracking,
    fresh_process: FreshProcess,
    splits: pd.DataFrame,
    registered_model: dict[str, Any],
) -> dg.MaterializeResult[dict[str, str]]:
    """Evidently's reports on data drift, target drift, regression performance and data quality.

    The reference is what the model that served the month was trained on, the current side all rows
    of the month. Large months are drawn from a stated sample; no number is read from a report.
    """
    datasets = datasets_of(context, mlflow_tracking, splits, registered_model)
    reports = fresh_process.draw(
        datasets, thresholds(settings), settings.report_rows, settings.seed
    )
    folder = report_folder(settings.storage_root, context.partition_key)
    drawn = min(settings.report_rows, len(datasets.current))
    return dg.MaterializeResult(
        value=reports,
        metadata={
            "summary": f"{len(reports)} reports; {datasets.note}",
            "rows_drawn": f"{drawn} of {len(datasets.current)}",
            **{name: dg.MetadataValue.path(str(folder / f"{name}.html")) for name in REPORTS},
        },
    )


def datasets_of(
    context: dg.AssetExecutionContext,
    tracking: MlflowTracking,
    splits: pd.DataFrame,
    registered_model: dict[str, Any],
) -> Datasets:
    """Reference and current rows of the month, with the predictions of the model that served it.

    The serving model's months are read one by one: they may lie further back than any window.
    """
    registry = ModelRegistry(tracking.client)
    served_by = registered_model["served_by"]
    if served_by is None:
        number = registered_model["version"]
        return first_month_datasets(splits, lambda records: registry.predict(number, records))

    def month_of(month: str) -> pd.DataFrame:
        return context.load_asset_value(dg.AssetKey("splits"), partition_key=month)

    return serving_datasets(
        splits,
        [month_of(month) for month in served_by["months"]],
        registry.version(served_by["version"]).recipe.data,
        f"version {served_by['version']} ({', '.join(served_by['months'])})",
        lambda records: registry.predict(served_by["version"], records),
    )


def thresholds(settings: Settings) -> Thresholds:
    """The drift rule's thresholds from the settings."""
    return Thresholds(settings.drift_significance, settings.drift_effect, settings.drift_share)
