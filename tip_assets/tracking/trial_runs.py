"""Log the trials of a search as MLflow runs, nested under the month's run.

Imports no Dagster: the worker process logs trials while the search continues.
"""

from collections.abc import Sequence
from typing import Any

from tip_assets.modelling.search import Trial
from tip_assets.tracking.registry import MONTH

KIND, TRIAL = "tips.kind", "tips.trial"


def log_trials(
    client: Any, experiment_id: str, run_id: str, month: str, trials: Sequence[Trial]
) -> None:
    """Log each missing trial as a run nested under the month's run.

    Deletes a run that an earlier attempt left unfinished and logs it again.
    """
    from mlflow.entities import Metric, Param

    children = client.search_runs(
        [experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'", max_results=10_000
    )
    there = set()
    for run in children:
        if run.info.status == "FINISHED":
            there.add(run.data.tags[TRIAL])
        else:
            client.delete_run(run.info.run_id)
    for trial in (trial for trial in trials if str(trial.number) not in there):
        tags = {
            "mlflow.parentRunId": run_id,
            "model": "xgboost",
            MONTH: month,
            KIND: "trial",
            TRIAL: str(trial.number),
        }
        run = client.create_run(experiment_id, run_name=f"trial {trial.number:03d}", tags=tags)
        at = run.info.start_time
        metrics = {
            "rmse": trial.rmse,
            "rmse_std": trial.rmse_std,
            "best_iteration": trial.rounds - 1,
        }
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, at, 0) for name, value in metrics.items()],
            params=[Param(name, f"{value:.10g}") for name, value in trial.parameters.items()],
        )
        client.set_terminated(run.info.run_id)
