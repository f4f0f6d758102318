"""Asset checks, each for the partition that was just made.

Belongs here: comparing an asset's own numbers with a threshold, in words that let one act. Does not
belong here: computing those numbers.
"""

import io
import warnings
from typing import Any

import dagster as dg
import pandas as pd

from tip_assets import contract
from tip_assets.drift.rule import p_words
from tip_assets.landing import rows_in
from tip_assets.modelling.evaluation import LEAST_SQUARES
from tip_assets.modelling.split import PART, content_hash
from tip_assets.partitions import months
from tip_assets.resources.metric_store import MetricStore
from tip_assets.settings import Settings
from tip_assets.storage import quarantine_file

# In preview in Dagster 1.13: without it a check loads every month. Drop the filter when stable.
warnings.filterwarnings(
    "ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning
)


@dg.asset_check(asset="raw_tips", blocking=True, partitions_def=months)
def rows_satisfy_the_contract(raw_tips: pd.DataFrame) -> dg.AssetCheckResult:
    """Every row that was kept satisfies the contract when it is read back."""
    refused = contract.check(raw_tips[list(contract.COLUMNS)]).refused
    first = refused.head(1).to_dict("records")
    return dg.AssetCheckResult(
        passed=refused.empty,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"first of {len(refused)}: {first[0]}" if first else "all rows are valid",
        metadata={"contract": contract.VERSION, "broken_values": len(refused)},
    )


@dg.asset_check(asset="raw_tips", blocking=True, partitions_def=months)
def enough_rows(
    raw_tips: pd.DataFrame, settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """The month has enough rows to measure anything on."""
    rows, least = len(raw_tips), settings.least_rows
    return dg.AssetCheckResult(
        passed=rows >= least,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{rows} valid rows, at least {least} are needed (TIPS_LEAST_ROWS)",
        metadata={"rows": rows, "threshold": least},
    )


@dg.asset_check(asset="raw_tips", blocking=True, partitions_def=months)
def few_rows_are_quarantined(
    context: dg.AssetCheckExecutionContext,
    raw_tips: pd.DataFrame,
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """Most of what landed satisfies the contract; otherwise what is left may not be the month."""
    path = quarantine_file(settings.storage_root, context.partition_key)
    refused = rows_in(pd.read_parquet(io.BytesIO(path.read_bytes())))
    share, most = refused / (refused + len(raw_tips)), settings.most_quarantined
    return dg.AssetCheckResult(
        passed=share <= most,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{refused} rows are quarantined, {100 * share:.1f} % of those that landed; "
        f"at most {100 * most:g} % may be (TIPS_MOST_QUARANTINED)",
        metadata={
            "share": share,
            "threshold": most,
            "quarantine": dg.MetadataValue.path(str(path)),
        },
    )


@dg.asset_check(asset="splits", blocking=True, partitions_def=months)
def no_row_is_on_both_sides(splits: pd.DataFrame) -> dg.AssetCheckResult:
    """Equal rows are on one side: none that measures a model has been learned from."""
    sides = pd.Series(splits[PART].to_numpy()).groupby(content_hash(splits)).nunique()
    both = int((sides > 1).sum())
    return dg.AssetCheckResult(
        passed=both == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{both} different rows are on both sides",
        metadata={"rows_on_both_sides": both},
    )


@dg.asset_check(asset="registered_model", blocking=True, partitions_def=months)
def model_is_sound(
    registered_model: dict[str, Any], metric_store: MetricStore
) -> dg.AssetCheckResult:
    """The model is better than the mean tip, and not shown to be worse than a share of the bill."""
    faults = "; ".join(registered_model["quality_faults"])
    rules = registered_model["baselines"]
    released = _hold(metric_store, registered_model, faults) if faults else None
    return dg.AssetCheckResult(
        passed=not faults or released is not None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_words(faults or "better than the simple rules on the same rows", released),
        metadata={
            "test_rmse_usd": registered_model["test"]["rmse"],
            **{f"test_rmse_{rule}_usd": value for rule, value in rules.items()},
        },
    )


@dg.asset_check(asset="drift_metrics", blocking=True, partitions_def=months)
def dataset_has_not_drifted(
    drift_metrics: dict[str, Any], metric_store: MetricStore
) -> dg.AssetCheckResult:
    """Fewer columns have drifted than would stop a promotion."""
    dataset = drift_metrics["dataset"]
    names = [
        c["column"] for c in drift_metrics["columns"] if c["drifted"] and c["role"] != "prediction"
    ]
    found = f"{dataset['drifted_columns']} of {dataset['columns']} columns have drifted"
    found += f": {', '.join(names)}" if names else ""
    released = _hold(metric_store, drift_metrics, found) if dataset["drifted"] else None
    return dg.AssetCheckResult(
        passed=not dataset["drifted"] or released is not None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_words(found, released),
        metadata={"share": dataset["share"], "threshold": dataset["threshold_share"]},
    )


@dg.asset_check(asset="drift_metrics", partitions_def=months)
def no_column_has_drifted(drift_metrics: dict[str, Any]) -> dg.AssetCheckResult:
    """No single column has drifted: a warning, since one in thirty quiet months has one."""
    drifted = [c for c in drift_metrics["columns"] if c["drifted"] and c["role"] != "prediction"]
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


def _hold(store: MetricStore, made: dict[str, Any], reason: str) -> str | None:
    """Record that a month's version is held; gives the words of its release, if it was released."""
    incumbent = made["incumbent"]
    champion = incumbent["version"] if incumbent else None
    return store.hold(made["month"], made["version"], champion, reason)


def _words(found: str, released: str | None) -> str:
    return f"{found}; {released}" if released else found
