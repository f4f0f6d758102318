"""`registered_model`: register the month's challenger and compare it with the champion."""

import hashlib
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.assets.links import app_page, model_page
from tip_assets.metric_store.store import MetricStore
from tip_assets.modelling.boundary_inputs import boundary_inputs, difference_facts, prediction_facts
from tip_assets.modelling.comparison import Comparison, compare
from tip_assets.modelling.flip import describe_flip
from tip_assets.modelling.group_errors import group_errors
from tip_assets.modelling.promotion import quality_faults
from tip_assets.modelling.search import describe_search
from tip_assets.modelling.split import PART, TEST
from tip_assets.modelling.training import (
    TrainingReport,
    describe_feedback,
    load_booster,
    predict_rows,
    read_report,
    tips_of,
)
from tip_assets.partitions import GROUP, MODEL_POOL, OWNERS, months, training_window, window_input
from tip_assets.settings import Settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.descriptions import describe_version
from tip_assets.tracking.registry import (
    BOOSTER,
    CHALLENGER,
    CHAMPION,
    INCUMBENT,
    ModelRegistry,
    ModelVersion,
)
from tip_assets.tracking.runs import logged_model, month_run, version_tags
from tip_assets.tracking.worker import FreshProcess


@dg.asset(
    ins={"splits": dg.AssetIn(partition_mapping=training_window, metadata=window_input)},
    partitions_def=months,
    group_name=GROUP,
    kinds={"mlflow"},
    metadata=model_page() | app_page("model"),
    owners=OWNERS,
    io_manager_key="json_files",
    code_version="3",
    pool=MODEL_POOL,
)
def registered_model(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    mlflow_tracking: MlflowTracking,
    metric_store: MetricStore,
    fresh_process: FreshProcess,
    trained_booster: bytes,
    splits: pd.DataFrame,
) -> dg.MaterializeResult[dict[str, Any]]:
    """The month's model as a registry version, compared with the champion on the same test rows.

    The alias `challenger` points to it. The same recipe is never registered twice. Predictions are
    checked for plausibility first, in this process and in one that has not trained the model.
    """
    report = read_report(trained_booster)
    registry = ModelRegistry(mlflow_tracking.client)
    version = _register(registry, mlflow_tracking, report, trained_booster)
    inputs = boundary_inputs()
    pending = fresh_process.predict(version.number, _records(inputs))
    challenger = registry.by_alias(CHALLENGER)
    if challenger is None or challenger.number < version.number:
        registry.point(CHALLENGER, version.number)
    incumbent = _incumbent(registry, metric_store, version)
    booster, test = load_booster(trained_booster), splits[splits[PART] == TEST]
    records, predicted = _records(test), predict_rows(booster, test)
    comparison = _compare(registry, incumbent, test, predicted, settings)
    groups = group_errors(
        records, tips_of(test), predicted, confidence=settings.confidence, seed=settings.seed
    )
    expected = predict_rows(booster, inputs)
    served_by = _served_by(registry, metric_store, context.partition_key)
    value = {
        "month": context.partition_key,
        "version": version.number,
        "fingerprint": report.fingerprint,
        "incumbent": _facts(incumbent),
        "served_by": _facts(served_by),
        "comparison": comparison.to_dict() if comparison else None,
        "feedback": describe_feedback(report),
        "quality_faults": quality_faults(report.baselines, report.against),
        "search": describe_search(
            report.cross_validated_rmse,
            report.recipe["trials"],
            report.to_recipe().search_rows,
            int(report.train["rows"]),
        ),
        "flip": describe_flip(report.flip),
        "train": report.train,
        "test": report.test,
        "baselines": report.baselines,
        "against": report.against,
        "predictions": {
            "test": prediction_facts(records, predicted),
            "boundary": prediction_facts(_records(inputs), expected),
        },
        "fresh_process": difference_facts(expected, pending.result()),
        "groups": [group.to_dict() for group in groups],
    }
    describe_version(
        registry, version, value, metric_store.decision(context.partition_key, version.number)
    )
    return dg.MaterializeResult(
        value=value,
        metadata={
            "RMSE_usd": report.test["rmse"],
            "flip": value["flip"],
            **_metadata(mlflow_tracking, version, incumbent, comparison),
        },
    )


def _register(
    registry: ModelRegistry, tracking: MlflowTracking, report: TrainingReport, ubj: bytes
) -> ModelVersion:
    existing = registry.by_fingerprint(report.month, report.fingerprint)
    if existing:
        return existing
    run_id = month_run(tracking, report.month, report.fingerprint)
    source, model_id = logged_model(tracking, run_id, report.fingerprint)
    champion = registry.by_alias(CHAMPION)
    tags = version_tags(report) | {
        BOOSTER: hashlib.sha256(ubj).hexdigest(),
        INCUMBENT: str(champion.number) if champion else "",
    }
    return registry.register(source, run_id, model_id, tags)


def _incumbent(
    registry: ModelRegistry, store: MetricStore, version: ModelVersion
) -> ModelVersion | None:
    """Return the serving version; once this version is decided on, the one that served then.

    A rerun therefore repeats the same comparison. A held version stays undecided until the model of
    a newer month serves.
    """
    champion = registry.by_alias(CHAMPION)
    closed = champion is not None and champion.month > version.month
    decided = store.decision(version.month, version.number)
    if decided is not None and (closed or decided["action"] != "held"):
        before = decided["champion_before"]
        return registry.version(before) if before else None
    if champion is None or champion.number != version.number:
        return champion
    before = version.version_in_tag(INCUMBENT)
    return registry.version(before) if before else None


def _records(rows: pd.DataFrame) -> pd.DataFrame:
    """Return encoded rows as the records that a model predicts."""
    return contract.decode(rows[contract.FEATURE_NAMES])


def _compare(
    registry: ModelRegistry,
    incumbent: ModelVersion | None,
    test: pd.DataFrame,
    predicted: np.ndarray,
    settings: Settings,
) -> Comparison | None:
    """Compare on the window's test rows; None without a champion of the same contract."""
    if incumbent is None or not incumbent.reads_todays_records:
        return None
    by_champion = registry.predict(incumbent.number, _records(test))
    return compare(tips_of(test), predicted, by_champion, **settings.comparison_options)


def _served_by(registry: ModelRegistry, store: MetricStore, month: str) -> ModelVersion | None:
    """Return the version that served the month; None if it cannot read today's records."""
    number = store.champion_before(month)
    version = registry.version(number) if number else None
    return version if version and version.reads_todays_records else None


def _facts(version: ModelVersion | None) -> dict[str, Any] | None:
    if version is None:
        return None
    return {"version": version.number, "month": version.month, "months": version.recipe.months}


def _metadata(
    tracking: MlflowTracking,
    version: ModelVersion,
    incumbent: ModelVersion | None,
    comparison: Comparison | None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "version": version.number,
        "mlflow_version": tracking.version_link(version.number),
    }
    if incumbent is None:
        return metadata | {"summary": f"version {version.number}; no champion to compare with yet"}
    if comparison is None:
        return metadata | {
            "summary": f"version {version.number}; not compared with champion version "
            f"{incumbent.number}, which was made for contract {incumbent.contract}"
        }
    interval = f"{comparison.low:+.3f} to {comparison.high:+.3f}"
    return metadata | {
        "summary": f"version {version.number}; {comparison.verdict} against champion version "
        f"{incumbent.number} (RMSE difference {interval} USD); {comparison.power_note}",
        "verdict": comparison.verdict,
        "power": comparison.power,
        "champion_rmse_usd": comparison.rival_rmse,
        "rmse_difference_usd": comparison.difference,
        "rmse_difference_low_usd": comparison.low,
        "rmse_difference_high_usd": comparison.high,
        "compared_rows": comparison.rows,
    }
