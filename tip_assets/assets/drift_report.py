"""`drift_report`: Evidently's HTML reports. Also the datasets and charts of both drift assets."""

from typing import Any

import dagster as dg
import pandas as pd

from tip_assets.assets.links import app_page
from tip_assets.drift.alarm import ChartResult, judge_month
from tip_assets.drift.datasets import (
    Datasets,
    ServingModel,
    first_month_datasets,
    serving_datasets,
)
from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.metric_store.drift_history import MeasuredMonth
from tip_assets.metric_store.drift_history import measured_before as measured_months_before
from tip_assets.metric_store.store import MetricStore
from tip_assets.modelling.out_of_fold import out_of_fold
from tip_assets.modelling.training import report_of
from tip_assets.partitions import GROUP, OWNERS, months
from tip_assets.runtime.storage import report_folder
from tip_assets.settings import Settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.registry import ModelRegistry, predict
from tip_assets.tracking.worker import FreshProcess


@dg.asset(
    partitions_def=months,
    group_name=GROUP,
    kinds={"evidently"},
    metadata=app_page("reports"),
    owners=OWNERS,
    io_manager_key="report_folders",
    code_version="3",
)
def drift_report(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    mlflow_tracking: MlflowTracking,
    metric_store: MetricStore,
    fresh_process: FreshProcess,
    splits: pd.DataFrame,
    registered_model: dict[str, Any],
) -> dg.MaterializeResult[dict[str, str]]:
    """Evidently's reports on data drift, target drift, regression performance and data quality.

    The reference is the training data of the model that served the month; current is all rows of
    the month. Large months are sampled, and the report states the sample size. A column is marked
    as drifted when one of its control charts alarms. No number is read from a report.
    """
    datasets = datasets_of(context, mlflow_tracking, splits, registered_model)
    before = measured_before(metric_store, registered_model)
    charts = charts_of(settings, datasets, before, with_smallest_changes=False)
    # Sampled here: the rows go to another process.
    sample = datasets.sample(settings.max_report_rows, settings.seed)
    reports = fresh_process.draw(sample, charts)
    folder = report_folder(settings.storage_root, context.partition_key)
    return dg.MaterializeResult(
        value=reports,
        metadata={
            "summary": f"{len(reports)} reports; {datasets.note}",
            "alarms": sum(chart.alarm is not None for chart in charts),
            "rows_drawn": f"{len(sample.current)} of {len(datasets.current)}",
            **{name: dg.MetadataValue.path(str(folder / f"{name}.html")) for name in REPORTS},
        },
    )


def datasets_of(
    context: dg.AssetExecutionContext,
    tracking: MlflowTracking,
    splits: pd.DataFrame,
    registered_model: dict[str, Any],
) -> Datasets:
    """Return the month's reference and current rows with predictions of the model that served it.

    Reads the serving model's months one by one: they may be older than the training window.
    """
    registry = ModelRegistry(tracking.client)
    served_by = registered_model["served_by"]
    if served_by is None:
        return first_month_datasets(splits, _model(registry, registered_model["version"]))

    def month_of(month: str) -> pd.DataFrame:
        return context.load_asset_value(dg.AssetKey("splits"), partition_key=month)

    return serving_datasets(
        splits,
        [month_of(month) for month in served_by["months"]],
        registry.version(served_by["version"]).recipe.data,
        f"version {served_by['version']} ({', '.join(served_by['months'])})",
        _model(registry, served_by["version"]),
    )


def measured_before(store: MetricStore, registered_model: dict[str, Any]) -> list[MeasuredMonth]:
    """Return the earlier months that were measured against the same reference."""
    served_by = registered_model["served_by"]
    version = served_by["version"] if served_by else None
    return measured_months_before(store, registered_model["month"], version)


def charts_of(
    settings: Settings,
    datasets: Datasets,
    before: list[MeasuredMonth],
    with_smallest_changes: bool = True,
) -> list[ChartResult]:
    """Return the month's control charts."""
    effects = [measured.effects for measured in before]
    return judge_month(datasets, effects, settings.quiet_months_per_alarm, with_smallest_changes)


def _model(registry: ModelRegistry, number: int) -> ServingModel:
    model = registry.load(number)
    report = report_of(model.unwrap_python_model().booster)
    return ServingModel(
        predict=lambda records: predict(model, records),
        predict_held_out=lambda rows: out_of_fold(rows, report.to_trial(), report.to_recipe()),
    )
