"""`drift_metrics`: the month's drift and quality metrics."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg
import pandas as pd

from tip_assets import contract
from tip_assets.assets import plots
from tip_assets.assets.drift_report import charts_of, datasets_of, measured_before
from tip_assets.assets.links import app_page
from tip_assets.drift.alarm import MONTHS_BEFORE, verdict
from tip_assets.drift.metrics import DriftMetrics, drift_metrics_of
from tip_assets.metric_store import tables
from tip_assets.metric_store.drift_history import MeasuredMonth, alarming_since
from tip_assets.metric_store.store import MetricStore
from tip_assets.modelling.comparison import compare
from tip_assets.modelling.split import PART, TEST
from tip_assets.modelling.training import tips_of
from tip_assets.partitions import GROUP, OWNERS, month_after, months, months_apart
from tip_assets.settings import Settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.registry import ModelRegistry
from tip_assets.tracking.runs import log_drift


@dg.asset(
    partitions_def=months,
    group_name=GROUP,
    kinds={"scipy", "sql", "mlflow"},
    metadata=app_page("reports"),
    owners=OWNERS,
    io_manager_key="json_files",
    code_version="4",
)
def drift_metrics(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    mlflow_tracking: MlflowTracking,
    metric_store: MetricStore,
    splits: pd.DataFrame,
    registered_model: dict[str, Any],
) -> dg.MaterializeResult[dict[str, Any]]:
    """Drift and quality metrics of the month, per column and for the dataset, from all of its rows.

    A column has drifted when one of its control charts alarms: beyond the limit in this month, or
    one less than the limit in two of the last three months measured against the same reference.
    The limit follows from the accepted rate of false alarms. Metrics go to the metric store and to
    MLflow; a rerun replaces them.
    """
    month = context.partition_key
    datasets = datasets_of(context, mlflow_tracking, splits, registered_model)
    facts = {name: registered_model[name] for name in ("version", "incumbent", "served_by")}
    before, served_by = measured_before(metric_store, registered_model), facts["served_by"]
    metrics = drift_metrics_of(datasets, charts_of(settings, datasets, before))
    registry = ModelRegistry(mlflow_tracking.client)
    alarming = [*alarming_since(before), month] if metrics.dataset.drifted else []
    recent = [m.drifted for m in before[-MONTHS_BEFORE:]] + [metrics.dataset.drifted]
    value = metrics.to_dict() | {
        "month": month,
        **facts,
        "verdict": verdict(metrics.charts),
        "charted": charted(month, served_by["version"] if served_by else None, before),
        "drifted_months": alarming,
        "drift_confirmed": sum(recent) > 1,
        "new_months": _compare_on(alarming, context, registry, splits, registered_model, settings),
    }
    runs = {number: registry.version(number).run_id for number in versions_of(registered_model)}
    metric_store.replace_month(month, rows_of(metrics, registered_model, runs))
    fingerprint = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
    description = (
        f"**Verdict**: {value['verdict']}.\n\n**Data**: {metrics.note}; {value['charted']}."
    )
    log_drift(mlflow_tracking, context, month, fingerprint, flat_metrics(metrics), description)
    return dg.MaterializeResult(value=value, metadata=_metadata(metrics, value))


def charted(month: str, served_by: int | None, before: list[MeasuredMonth]) -> str:
    """Describe which months the charts use; `before` are those with the same reference."""
    if served_by is None:
        return "no model served this month, so the charts use this month alone"
    if not before:
        return f"the charts start with this month: none was charted against version {served_by} yet"
    looked_at = [measured.month for measured in before[-MONTHS_BEFORE:]]
    since = months_apart(looked_at[0], month)
    missing = [
        between
        for age in range(since - 1, 0, -1)
        if (between := month_after(month, -age)) not in looked_at
    ]
    text = f"the charts use {', '.join([*looked_at, month])}"
    return f"{text}; not measured: {', '.join(missing)}" if missing else text


def _compare_on(
    drifted: list[str],
    context: dg.AssetExecutionContext,
    registry: ModelRegistry,
    splits: pd.DataFrame,
    registered_model: dict[str, Any],
    settings: Settings,
) -> dict[str, Any] | None:
    """Compare challenger and champion on the held-out rows of the months that have drifted.

    Returns None unless drift persists. A challenger trained on the changed data can then win.
    """
    incumbent = registered_model["incumbent"]
    if len(drifted) < 2 or registered_model["comparison"] is None:
        return None
    earlier = [
        context.load_asset_value(dg.AssetKey("splits"), partition_key=month)
        for month in drifted[:-1]
    ]
    rows = pd.concat([*earlier, splits], ignore_index=True)
    held_out = rows[rows[PART] == TEST]
    if len(held_out) < 2:
        return None
    records = contract.decode(held_out[contract.FEATURE_NAMES])
    versions = registered_model["version"], incumbent["version"]
    mine, champions = (registry.predict(version, records) for version in versions)
    found = compare(tips_of(held_out), mine, champions, **settings.comparison_options)
    return found.to_dict() | {"months": drifted}


def versions_of(registered_model: dict[str, Any]) -> tuple[int, int]:
    """Return the month's challenger and the serving version; equal in the first month."""
    version, served_by = registered_model["version"], registered_model["served_by"]
    return version, served_by["version"] if served_by else version


def rows_of(
    metrics: DriftMetrics, registered_model: dict[str, Any], runs: Mapping[int, str]
) -> dict[Any, list[dict[str, Any]]]:
    """Return the month's metric store rows by table; `runs` are MLflow run ids by version."""
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
        tables.drift_chart: [chart.to_dict() for chart in metrics.charts],
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
    """Return the row of the month's comparison; no row without a champion."""
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
    """Return the month as MLflow metrics: scores and flags by column, shares, model errors."""
    flat: dict[str, float] = {
        "dataset.drifted": float(metrics.dataset.drifted),
        "dataset.drifted_columns": metrics.dataset.drifted_columns,
        "dataset.drifted_share": metrics.dataset.share,
    }
    for column in metrics.columns:
        flat |= {
            f"{column.column}.score": column.score,
            f"{column.column}.effect_size": column.effect_size,
            f"{column.column}.drifted": float(column.drifted),
        }
    # MLflow metric names allow no equals signs or commas; chart names contain only spaces.
    flat |= {f"chart.{chart.chart}.z": chart.z for chart in metrics.charts}
    for side, quality in metrics.regression_quality.items():
        flat |= {f"{side}.{name}": float(value) for name, value in quality.to_dict().items()}
    return flat


def _number_or_category(fact: float | str) -> dict[str, Any]:
    if isinstance(fact, str):
        return {"value": None, "category": fact}
    return {"value": float(fact), "category": None}


def _metadata(metrics: DriftMetrics, value: dict[str, Any]) -> dict[str, Any]:
    picture = plots.control_charts(metrics.charts)
    return {
        "summary": value["verdict"],
        "compared": metrics.note,
        "charted": value["charted"],
        "drifted_columns": metrics.dataset.drifted_columns,
        "serving_rmse_usd": metrics.regression_quality["current"].rmse,
        "charts": dg.MetadataValue.md(_chart_table(metrics)),
        "columns": dg.MetadataValue.md(_column_table(metrics)),
        "control_charts": dg.MetadataValue.md(plots.as_markdown("control charts", picture)),
    }


def _chart_table(metrics: DriftMetrics) -> str:
    lines = ["| chart | z | limit | alarm | smallest detectable change |", "|---" * 5 + "|"]
    for c in metrics.charts:
        alarm = f"**{c.alarm}**" if c.alarm else "no"
        lines.append(
            f"| {c.chart} | {c.z:+.2f} | {c.limit:.2f} | {alarm} | {c.smallest_change or 'none'} |"
        )
    return "\n".join(lines)


def _column_table(metrics: DriftMetrics) -> str:
    lines = ["| column | test | score | effect size | drifted |", "|---" * 5 + "|"]
    for c in metrics.columns:
        drifted = "**yes**" if c.drifted else "no"
        lines.append(f"| {c.column} | {c.test} | {c.score:.4f} | {c.effect_size:.3f} | {drifted} |")
    return "\n".join(lines)
