"""`drift_metrics`: the numbers of the month."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg
import pandas as pd

from tip_assets.assets import plots
from tip_assets.assets.drift_report import datasets_of, thresholds
from tip_assets.drift.metrics import DriftMetrics, drift_metrics_of
from tip_assets.metric_store import tables
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import OWNERS, months
from tip_assets.settings import Settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.registry import ModelRegistry
from tip_assets.tracking.runs import log_drift


@dg.asset(
    partitions_def=months,
    group_name="monitoring",
    kinds={"scipy", "sql", "mlflow"},
    owners=OWNERS,
    io_manager_key="json_files",
    code_version="3",
)
def drift_metrics(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    mlflow_tracking: MlflowTracking,
    metric_store: MetricStore,
    splits: pd.DataFrame,
    registered_model: dict[str, Any],
) -> dg.MaterializeResult[dict[str, Any]]:
    """Drift and quality of the month, per column and for the dataset, from all of its rows.

    A column has drifted when its Holm-corrected p-value and its effect size both cross their
    thresholds: with no drift at all that happens in 2 to 4 % of small months, where the usual
    defaults cry in 27 to 99 %. Written to the metric store and to MLflow; a rerun replaces.
    """
    month = context.partition_key
    datasets = datasets_of(context, mlflow_tracking, splits, registered_model)
    metrics = drift_metrics_of(datasets, thresholds(settings), settings.seed)
    facts = {name: registered_model[name] for name in ("version", "incumbent", "served_by")}
    value = metrics.to_dict() | {"month": month, **facts}
    registry = ModelRegistry(mlflow_tracking.client)
    runs = {number: registry.version(number).run_id for number in versions_of(registered_model)}
    metric_store.replace_month(month, rows_of(metrics, registered_model, runs))
    fingerprint = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
    log_drift(mlflow_tracking, context, month, fingerprint, flat_metrics(metrics))
    return dg.MaterializeResult(value=value, metadata=_metadata(metrics))


def versions_of(registered_model: dict[str, Any]) -> tuple[int, int]:
    """The month's challenger, and the version that served the month: itself in the first."""
    version, served_by = registered_model["version"], registered_model["served_by"]
    return version, served_by["version"] if served_by else version


def rows_of(
    metrics: DriftMetrics, registered_model: dict[str, Any], runs: Mapping[int, str]
) -> dict[Any, list[dict[str, Any]]]:
    """The month's rows of the metric store, by table; `runs` are MLflow's, by version."""
    served_by = registered_model["served_by"]
    version, serving = versions_of(registered_model)
    quality = [
        {"part": part, "version": version, "mlflow_run": runs[version], **registered_model[part]}
        for part in ("train", "test")
    ] + [
        {"part": part, "version": serving, "mlflow_run": runs[serving], **numbers.to_dict()}
        for part, numbers in metrics.regression_quality.items()
    ]
    return {
        tables.drift: [column.to_dict() for column in metrics.columns],
        tables.dataset_drift: [
            metrics.dataset.to_dict()
            | {f"{side}_rows": rows for side, rows in metrics.rows.items()}
            | {"served_by": served_by["version"] if served_by else None}
        ],
        tables.correlation: [
            {"dataset": side, "with_column": other, "column": column, "pearson": pearson}
            for side, others in metrics.correlations.items()
            for other, columns in others.items()
            for column, pearson in columns.items()
        ],
        tables.model_quality: quality,
        tables.baseline_quality: [
            {"baseline": rule, "rmse": rmse} for rule, rmse in registered_model["baselines"].items()
        ],
        tables.comparison: _comparison(registered_model),
        tables.group_quality: [{"version": version, **g} for g in registered_model["groups"]],
        **_error_rows(metrics),
        tables.column_quality: [
            {"dataset": side, "column": column, "statistic": statistic, **_number_or_category(fact)}
            for side, columns in metrics.column_quality.items()
            for column, facts in columns.items()
            for statistic, fact in facts.items()
        ],
    }


def _error_rows(metrics: DriftMetrics) -> dict[Any, list[dict[str, Any]]]:
    profiles = metrics.error_profiles.items()
    return {
        tables.error_group: [
            {"dataset": side, **asdict(group)} for side, p in profiles for group in p.groups
        ],
        tables.error_bias: [
            {"dataset": side, **asdict(bias)} for side, p in profiles for bias in p.bias
        ],
        tables.error_normality: [{"dataset": side, **asdict(p.normality)} for side, p in profiles],
    }


def _comparison(registered_model: dict[str, Any]) -> list[dict[str, Any]]:
    """The row of the month's comparison; none without a champion to compare with."""
    found = registered_model["comparison"]
    if not found:
        return []
    facts = {name: found[name] for name in found if name in tables.comparison.columns}
    champion = registered_model["incumbent"]["version"]
    return [
        facts
        | {"version": registered_model["version"], "champion": champion}
        | {"champion_rmse": found["rival_rmse"]}
    ]


def flat_metrics(metrics: DriftMetrics) -> dict[str, float]:
    """The month as MLflow metrics: scores and flags by column, shares, model errors."""
    flat: dict[str, float] = {
        "dataset.drifted": float(metrics.dataset.drifted),
        "dataset.drifted_columns": metrics.dataset.drifted_columns,
        "dataset.drifted_share": metrics.dataset.share,
    }
    for column in metrics.columns:
        flat |= {
            f"{column.column}.score": column.score,
            f"{column.column}.p_value_corrected": column.p_value_corrected,
            f"{column.column}.effect_size": column.effect_size,
            f"{column.column}.drifted": float(column.drifted),
        }
    for side, quality in metrics.regression_quality.items():
        flat |= {f"{side}.{name}": float(value) for name, value in quality.to_dict().items()}
    return flat


def _number_or_category(fact: float | str) -> dict[str, Any]:
    if isinstance(fact, str):
        return {"value": None, "category": fact}
    return {"value": float(fact), "category": None}


def _metadata(metrics: DriftMetrics) -> dict[str, Any]:
    drifted = [c.column for c in metrics.columns if c.drifted and c.role != "prediction"]
    found = f"drifted: {', '.join(drifted)}" if drifted else "no column has drifted"
    first = metrics.columns[0]
    picture = plots.drift_overview(
        metrics.columns, first.threshold_p_value, first.threshold_effect_size
    )
    return {
        "summary": f"{found}; dataset {'DRIFTED' if metrics.dataset.drifted else 'not drifted'}",
        "compared": metrics.note,
        "drifted_columns": metrics.dataset.drifted_columns,
        "drifted_share": metrics.dataset.share,
        "serving_rmse_usd": metrics.regression_quality["current"].rmse,
        "columns": dg.MetadataValue.md(_table(metrics)),
        "drift_overview": dg.MetadataValue.md(plots.as_markdown("drift overview", picture)),
    }


def _table(metrics: DriftMetrics) -> str:
    lines = ["| column | test | score | p corrected | effect size | drifted |", "|---" * 6 + "|"]
    for c in metrics.columns:
        drifted = "**yes**" if c.drifted else "no"
        lines.append(
            f"| {c.column} | {c.test} | {c.score:.4f} | {c.p_value_corrected:.4f} "
            f"| {c.effect_size:.3f} | {drifted} |"
        )
    return "\n".join(lines)
