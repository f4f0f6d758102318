"""Asset checks, each for the partition that was just made.

Belongs here: comparing an asset's own numbers with a threshold, in words that let one act. Does not
belong here: computing those numbers.
"""

import warnings
from typing import Any

import dagster as dg

from tip_assets.drift.rule import p_words
from tip_assets.modelling.evaluation import LEAST_SQUARES
from tip_assets.partitions import months

# In preview in Dagster 1.13: without it a check loads every month. Drop the filter when stable.
warnings.filterwarnings(
    "ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning
)


@dg.asset_check(asset="registered_model", blocking=True, partitions_def=months)
def model_is_sound(registered_model: dict[str, Any]) -> dg.AssetCheckResult:
    """The model is better than the mean tip, and not shown to be worse than a share of the bill."""
    faults = registered_model["quality_faults"]
    rules = registered_model["baselines"]
    return dg.AssetCheckResult(
        passed=not faults,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(faults) or "better than the simple rules on the same test rows",
        metadata={
            "test_rmse_usd": registered_model["test"]["rmse"],
            **{f"test_rmse_{rule}_usd": value for rule, value in rules.items()},
        },
    )


@dg.asset_check(asset="drift_metrics", blocking=True, partitions_def=months)
def dataset_has_not_drifted(drift_metrics: dict[str, Any]) -> dg.AssetCheckResult:
    """Fewer columns have drifted than would stop a promotion."""
    dataset = drift_metrics["dataset"]
    names = [
        c["column"] for c in drift_metrics["columns"] if c["drifted"] and c["role"] != "prediction"
    ]
    found = f"{dataset['drifted_columns']} of {dataset['columns']} columns have drifted"
    return dg.AssetCheckResult(
        passed=not dataset["drifted"],
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{found}: {', '.join(names)}" if names else found,
        metadata={"share": dataset["share"], "threshold": dataset["threshold_share"]},
    )


@dg.asset_check(asset="drift_metrics", partitions_def=months)
def no_column_has_drifted(drift_metrics: dict[str, Any]) -> dg.AssetCheckResult:
    """No single column has drifted: a warning, since one in thirty quiet months has one."""
    drifted = [c for c in drift_metrics["columns"] if c["drifted"]]
    words = [
        f"{c['column']} (p {p_words(c['p_value_corrected'])}, {c['effect']} {c['effect_size']:.2f})"
        for c in drifted
    ]
    return dg.AssetCheckResult(
        passed=not drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=", ".join(words) or "no column has drifted",
        metadata={"drifted_columns": len(drifted)},
    )


@dg.asset_check(asset="trained_booster", partitions_def=months)
def least_squares_is_not_better(trained_booster: bytes) -> dg.AssetCheckResult:
    """Least squares on bill and party size is not shown to be better than the booster."""
    from tip_assets.modelling.training import read_report

    against = read_report(trained_booster).against[LEAST_SQUARES]
    return dg.AssetCheckResult(
        passed=against["verdict"] != "worse",
        severity=dg.AssetCheckSeverity.WARN,
        description=f"booster {against['rmse']:.3f} USD, least squares "
        f"{against['rival_rmse']:.3f}: {against['verdict']}",
        metadata={"difference_low_usd": against["low"], "difference_high_usd": against["high"]},
    )
