"""`best_params`: the month's hyperparameter search."""

from typing import Any

import dagster as dg
import pandas as pd

from tip_assets.assets.links import model_page
from tip_assets.modelling.recipe import Recipe, recipe_for
from tip_assets.modelling.search import Trial, best_of, describe_search, search
from tip_assets.modelling.split import PART, TRAIN, from_feedback
from tip_assets.partitions import GROUP, MODEL_POOL, OWNERS, months, training_window, window_input
from tip_assets.settings import TRAINING_EXPERIMENT, Settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.runs import month_run
from tip_assets.tracking.worker import FreshProcess


@dg.asset(
    ins={"splits": dg.AssetIn(partition_mapping=training_window, metadata=window_input)},
    partitions_def=months,
    group_name=GROUP,
    kinds={"hyperopt", "xgboost", "mlflow"},
    metadata=model_page(),
    owners=OWNERS,
    io_manager_key="json_files",
    code_version="1",
    pool=MODEL_POOL,
)
def best_params(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    mlflow_tracking: MlflowTracking,
    fresh_process: FreshProcess,
    splits: pd.DataFrame,
) -> dg.MaterializeResult[dict[str, Any]]:
    """Best hyperparameters of a seeded Hyperopt search over the training window.

    Each trial is cross-validated on training rows only and becomes an MLflow run nested under the
    month's. Fifty trials, because TPE draws its first twenty at random.
    """
    month = context.partition_key
    recipe = recipe_for(splits, **settings.recipe_options)
    if month not in recipe.months:
        # A backfill of assets goes on to every month whose window holds a month that it was asked
        # for, also to months that have not landed.
        raise dg.Failure(
            f"There are no rows of {month}. Run the whole month: monthly_retraining_job.",
            allow_retries=False,
        )
    # Before the search, so that an MLflow server that is down fails the step at once.
    run_id = month_run(mlflow_tracking, month, recipe.fingerprint)
    log = fresh_process.trial_log(mlflow_tracking.experiment_id(TRAINING_EXPERIMENT), run_id, month)
    trials = search(splits[splits[PART] == TRAIN], recipe, made=log.add)
    log.finish()
    best = best_of(trials)
    context.log.info("best of %d trials: %s", len(trials), best)
    read, most = len(recipe.months), settings.window_months
    rows = int(((splits[PART] == TRAIN) & ~from_feedback(splits)).sum())
    return dg.MaterializeResult(
        value=search_result(recipe, trials),
        metadata={
            "summary": describe_search(best.rmse, len(trials), recipe.search_rows, rows),
            "lowest_cross_validated_rmse_usd": best.rmse,
            "trial": best.number,
            "rounds": best.rounds,
            "parameters": dg.MetadataValue.json(best.parameters),
            "months_read": read,
            "window": f"{read} of at most {most} months: {', '.join(recipe.months)}",
            "training_rows": rows,
            "rows_searched": min(rows, recipe.search_rows),
            "mlflow_run": mlflow_tracking.run_link(TRAINING_EXPERIMENT, run_id),
        },
    )


def search_result(recipe: Recipe, trials: list[Trial]) -> dict[str, Any]:
    """Return the result of the search as plain data."""
    return {
        "fingerprint": recipe.fingerprint,
        "best": best_of(trials).to_dict(),
        "trials": [trial.to_dict() for trial in trials],
    }
