"""Checks on `drift_metrics`: what has drifted, and whether that stops a promotion.

Belongs here: the words of an alarm. Does not belong here: what is called drift (`drift/rule.py`).
"""

from typing import Any

import dagster as dg

from tip_assets.drift.rule import p_words
from tip_assets.metric_store.holds import DATASET_HAS_NOT_DRIFTED, hold, words
from tip_assets.metric_store.store import MetricStore
from tip_assets.partitions import months


@dg.asset_check(
    name=DATASET_HAS_NOT_DRIFTED, asset="drift_metrics", blocking=True, partitions_def=months
)
def dataset_has_not_drifted(
    drift_metrics: dict[str, Any], metric_store: MetricStore
) -> dg.AssetCheckResult:
    """Fewer columns have drifted than would stop a promotion."""
    dataset = drift_metrics["dataset"]
    names = [c["column"] for c in _drifted(drift_metrics, "feature", "target")]
    found = f"{dataset['drifted_columns']} of {dataset['columns']} columns have drifted"
    found += f": {', '.join(names)}" if names else ""
    released = hold(metric_store, drift_metrics, found) if dataset["drifted"] else None
    return dg.AssetCheckResult(
        passed=not dataset["drifted"] or released is not None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=words(found, released),
        metadata={"share": dataset["share"], "threshold": dataset["threshold_share"]},
    )


@dg.asset_check(asset="drift_metrics", partitions_def=months)
def no_column_has_drifted(drift_metrics: dict[str, Any]) -> dg.AssetCheckResult:
    """No feature has drifted: a warning, since one in thirty quiet months has a column that has."""
    return _warning(drift_metrics, "feature")


@dg.asset_check(asset="drift_metrics", partitions_def=months)
def target_has_not_drifted(drift_metrics: dict[str, Any]) -> dg.AssetCheckResult:
    """The tip has not drifted: waiters are given more or less than when the model was trained."""
    return _warning(drift_metrics, "target")


def _warning(drift_metrics: dict[str, Any], role: str) -> dg.AssetCheckResult:
    """A warning that names each drifted column of a role, with the numbers that call it so."""
    drifted = _drifted(drift_metrics, role)
    looked_at = [c["column"] for c in drift_metrics["columns"] if c["role"] == role]
    return dg.AssetCheckResult(
        passed=not drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=", ".join(
            f"{c['column']} (p {p_words(c['p_value_corrected'])}, {c['effect']} "
            f"{c['effect_size']:.2f})"
            for c in drifted
        )
        or f"not drifted: {', '.join(looked_at)}",
        metadata={
            "drifted_columns": len(drifted),
            "compared": drift_metrics["note"],
            **{
                f"{c['column']}_{number}": c[number]
                for c in drifted
                for number in ("p_value_corrected", "effect_size")
            },
        },
    )


def _drifted(drift_metrics: dict[str, Any], *roles: str) -> list[dict[str, Any]]:
    return [c for c in drift_metrics["columns"] if c["drifted"] and c["role"] in roles]
