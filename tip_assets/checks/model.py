"""Checks on the month's model before it may serve, and on the champion.

They check whether a model can be served, is good enough, and is equally good for all groups. Which
of two models is better is decided in `modelling/comparison.py`.
"""

from typing import Any

import dagster as dg

from tip_assets import contract
from tip_assets.checks.hold import hold
from tip_assets.metric_store.holds import MODEL_IS_SOUND, describe
from tip_assets.metric_store.store import MetricStore
from tip_assets.modelling.boundary_inputs import SAME_WITHIN_USD, implausible, unfaithful
from tip_assets.modelling.evaluation import LEAST_SQUARES
from tip_assets.partitions import months, months_apart
from tip_assets.settings import Settings
from tip_assets.tracking.connection import MlflowTracking


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


@dg.asset_check(asset="registered_model", blocking=True, partitions_def=months)
def predictions_are_plausible(registered_model: dict[str, Any]) -> dg.AssetCheckResult:
    """Every prediction is a number in the contract's range of the tip.

    Checks the window's test rows and the boundary inputs. A model that fails cannot be released:
    its average error does not matter if some predictions are impossible.
    """
    predictions = registered_model["predictions"]
    faults = implausible(predictions)
    return dg.AssetCheckResult(
        passed=not faults,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(faults)
        or ", ".join(f"{facts['rows']} {rows} rows" for rows, facts in predictions.items())
        + f" get from {contract.LABEL.minimum:g} to {contract.LABEL.maximum:g} USD",
        metadata={
            "threshold_low_usd": contract.LABEL.minimum,
            "threshold_high_usd": contract.LABEL.maximum,
            **{f"{rows}_predictions": facts for rows, facts in predictions.items()},
        },
    )


@dg.asset_check(asset="registered_model", blocking=True, partitions_def=months)
def fresh_process_predicts_the_same(registered_model: dict[str, Any]) -> dg.AssetCheckResult:
    """A fresh process that loads the version from the registry predicts what the booster predicts.

    A version that fails cannot be released: the served model is not the measured one.
    """
    fresh_process = registered_model["fresh_process"]
    faults = unfaithful(fresh_process)
    return dg.AssetCheckResult(
        passed=not faults,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(faults)
        or f"version {registered_model['version']} predicts {fresh_process['rows']} boundary "
        "inputs as the booster does",
        metadata={
            "version": registered_model["version"],
            "different_rows": fresh_process["different"],
            "largest_difference_usd": fresh_process["largest_difference_usd"],
            "threshold_usd": SAME_WITHIN_USD,
        },
    )


@dg.asset_check(name=MODEL_IS_SOUND, asset="registered_model", blocking=True, partitions_def=months)
def model_is_sound(
    registered_model: dict[str, Any], metric_store: MetricStore, mlflow_tracking: MlflowTracking
) -> dg.AssetCheckResult:
    """The model is better than the mean tip and not shown to be worse than a share of the bill."""
    faults = "; ".join(registered_model["quality_faults"])
    rules = registered_model["baselines"]
    released = hold(metric_store, mlflow_tracking, registered_model, faults) if faults else None
    return dg.AssetCheckResult(
        passed=not faults or released is not None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=describe(faults or "better than the baselines on the same rows", released),
        metadata={
            "test_rmse_usd": registered_model["test"]["rmse"],
            **{f"test_rmse_{rule}_usd": value for rule, value in rules.items()},
        },
    )


@dg.asset_check(asset="registered_model", partitions_def=months)
def no_group_is_worse(registered_model: dict[str, Any]) -> dg.AssetCheckResult:
    """No group of test rows is predicted worse than chance explains.

    A group is one category of a column. A better group is reported and does not fail the check.
    """
    groups, overall = registered_model["groups"], registered_model["test"]["rmse"]
    outside = [group for group in groups if group["outside"]]
    worse = [group for group in outside if group["rmse"] > group["high"]]
    return dg.AssetCheckResult(
        passed=not worse,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(map(_describe_group, outside))
        or f"none of {len(groups)} groups is outside of what chance explains",
        metadata={
            "worse_groups": len(worse),
            "test_rmse_usd": overall,
            "groups": dg.MetadataValue.md(_group_table(groups)),
        },
    )


@dg.asset_check(asset="production_model", partitions_def=months)
def champion_is_not_too_old(
    production_model: dict[str, Any], settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """The champion is not older than the limit; an older one is replaced by a model not worse."""
    trained, most = production_model["champion_month"], settings.max_champion_age_months
    age = months_apart(trained, production_model["month"]) if trained else 0
    return dg.AssetCheckResult(
        passed=age <= most,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"the champion was trained for {trained}: age {age} of at most {most} months "
        f"(TIPS_MAX_CHAMPION_AGE_MONTHS). This month's model was {production_model['action']}: "
        f"{production_model['reason']}"
        if trained
        else "there is no champion yet",
        metadata={"age_months": age, "threshold": most},
    )


def _describe_group(group: dict[str, Any]) -> str:
    side = "worse" if group["rmse"] > group["high"] else "better"
    return (
        f"{group['column']} {group['group']}: RMSE {group['rmse']:.3f} USD on {group['rows']} rows "
        f"is {side} than chance explains, {group['low']:.3f} to {group['high']:.3f}"
    )


def _group_table(groups: list[dict[str, Any]]) -> str:
    lines = ["| group | rows | RMSE | from | to | outside |", "|---" * 6 + "|"]
    for g in groups:
        lines.append(
            f"| {g['column']} {g['group']} | {g['rows']} | {g['rmse']:.3f} | {g['low']:.3f} "
            f"| {g['high']:.3f} | {'**outside**' if g['outside'] else ''} |"
        )
    return "\n".join(lines)
