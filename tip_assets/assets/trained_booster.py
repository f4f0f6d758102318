"""`trained_booster`: the final fit."""

from typing import Any

import dagster as dg
import pandas as pd

from tip_assets.assets import plots
from tip_assets.assets.links import app_page, model_page
from tip_assets.modelling.evaluation import LEAST_SQUARES
from tip_assets.modelling.flip import describe_flip
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import Trial
from tip_assets.modelling.split import PART, TEST
from tip_assets.modelling.training import (
    TrainingReport,
    describe_feedback,
    load_booster,
    predict_rows,
    read_report,
    tips_of,
    train_booster,
)
from tip_assets.partitions import GROUP, MODEL_POOL, OWNERS, months, training_window, window_input
from tip_assets.runtime.engine import Engine
from tip_assets.settings import TRAINING_EXPERIMENT, Settings
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.datasets import log_datasets
from tip_assets.tracking.runs import (
    has_logged_model,
    is_trained,
    log_training,
    month_run,
)


@dg.asset(
    ins={"splits": dg.AssetIn(partition_mapping=training_window, metadata=window_input)},
    partitions_def=months,
    group_name=GROUP,
    kinds={"xgboost", "mlflow"},
    metadata=model_page() | app_page("model"),
    owners=OWNERS,
    io_manager_key="booster_files",
    code_version="1",
    pool=MODEL_POOL,
)
def trained_booster(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    mlflow_tracking: MlflowTracking,
    engine: Engine,
    splits: pd.DataFrame,
    best_params: dict[str, Any],
) -> dg.MaterializeResult[bytes]:
    """The booster fitted with the best parameters to all training rows of the window.

    Learns dollars above the fitted share of the bill; its test error is compared with three
    baselines. The booster stores that share and its training report as attributes.
    """
    month = context.partition_key
    recipe = recipe_for(splits, **settings.recipe_options)
    if recipe.fingerprint != best_params["fingerprint"]:
        raise dg.Failure(
            f"The search of {month} was made from other data, settings or code than there are now. "
            "Materialize best_params again.",
            allow_retries=False,
        )
    ubj = train_booster(month, splits, Trial(**best_params["best"]), recipe, engine.learn)
    report = read_report(ubj)
    pictures = _pictures(ubj, splits, report)
    run_id = month_run(mlflow_tracking, month, recipe.fingerprint)
    if not is_trained(mlflow_tracking, run_id):
        log_datasets(mlflow_tracking.client, run_id, splits, recipe.data, settings.storage_root)
        logged = has_logged_model(mlflow_tracking, run_id, recipe.fingerprint)
        tags = {"model": "xgboost", "mlflow.runName": month}
        with mlflow_tracking.run_within(context, TRAINING_EXPERIMENT, run_id, tags) as mlflow:
            log_training(mlflow, report, ubj, pictures, with_model=not logged)
    return dg.MaterializeResult(
        value=ubj,
        metadata={
            **_metadata(report),
            **{
                name: dg.MetadataValue.md(plots.as_markdown(name.replace("_", " "), png))
                for name, png in pictures.items()
            },
            "mlflow_run": mlflow_tracking.run_link(TRAINING_EXPERIMENT, run_id),
        },
    )


def _pictures(ubj: bytes, window: pd.DataFrame, report: TrainingReport) -> dict[str, bytes]:
    test = window[window[PART] == TEST]
    predicted = predict_rows(load_booster(ubj), test)
    return {
        "predicted_against_actual": plots.predicted_against_actual(tips_of(test), predicted),
        "importances": plots.importances(report.importances),
    }


def _metadata(report: TrainingReport) -> dict[str, Any]:
    rules = ", ".join(
        f"{rule.replace('_', ' ')} {rmse:.3f}" for rule, rmse in report.baselines.items()
    )
    verdict = report.against[LEAST_SQUARES]["verdict"]
    feedback_note, facts = describe_feedback(report), report.feedback or {}
    return {
        "summary": f"test RMSE {report.test['rmse']:.3f} USD; {rules}"
        + (f"; {feedback_note}" if feedback_note else ""),
        # Dagster plots numbers in the order of their names, capitals first.
        "RMSE_usd": report.test["rmse"],
        **{f"feedback_{name}": value for name, value in facts.items()},
        "train_rmse_usd": report.train["rmse"],
        "test_mean_absolute_error_usd": report.test["mean_absolute_error"],
        "test_r2": report.test["r2"],
        "test_rows": int(report.test["rows"]),
        **{f"test_rmse_{rule}_usd": rmse for rule, rmse in report.baselines.items()},
        "against_least_squares": verdict,
        "rounds": report.rounds,
        "flip": describe_flip(report.flip),
    }
