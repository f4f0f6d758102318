"""The check on `drift_metrics`: whether drift holds the promotion."""

from typing import Any

import dagster as dg

from tip_assets.checks.hold import hold
from tip_assets.metric_store.holds import DATASET_HAS_NOT_DRIFTED, describe
from tip_assets.metric_store.store import MetricStore
from tip_assets.modelling.promotion import better_on_drifted_months
from tip_assets.partitions import months
from tip_assets.settings import Settings
from tip_assets.tracking.connection import MlflowTracking


@dg.asset_check(
    name=DATASET_HAS_NOT_DRIFTED, asset="drift_metrics", blocking=True, partitions_def=months
)
def dataset_has_not_drifted(
    drift_metrics: dict[str, Any],
    metric_store: MetricStore,
    mlflow_tracking: MlflowTracking,
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """No control chart alarms, or the challenger wins on persistent drift, or it is released."""
    drifted, found = drift_metrics["dataset"]["drifted"], _found(drift_metrics)
    learned = settings.promote_on_confirmed_drift and better_on_drifted_months(drift_metrics)
    released = None
    if drifted and not learned:
        released = hold(metric_store, mlflow_tracking, drift_metrics, found)
    return dg.AssetCheckResult(
        passed=not drifted or learned or released is not None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=describe(found, released),
        metadata={
            "compared": drift_metrics["note"],
            "charted": drift_metrics["charted"],
            **{c["chart"]: f"z {c['z']:+.2f}" for c in drift_metrics["charts"] if c["alarm"]},
        },
    )


def _found(drift_metrics: dict[str, Any]) -> str:
    """Describe what the charts found, since when, and how the challenger does on those months."""
    found, drifted = str(drift_metrics["verdict"]), drift_metrics["drifted_months"]
    if len(drifted) < 2:
        return found
    new = drift_metrics["new_months"]
    verdict = f"{new['verdict']} ({new['rows']})" if new else "not compared"
    return f"{found}; since {drifted[0]}; challenger on the rows held out since then: {verdict}"
