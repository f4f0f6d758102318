"""Log a month to MLflow: the parent run, the final model, the drift.

Finds what an earlier attempt logged, so that a rerun of the same recipe adds nothing. Trials are
logged in `trial_runs.py`.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from tip_assets import contract
from tip_assets.modelling.flip import flip_metrics
from tip_assets.modelling.recipe import LIBRARIES, lock_version
from tip_assets.modelling.training import TrainingReport
from tip_assets.settings import DRIFT_EXPERIMENT, TRAINING_EXPERIMENT
from tip_assets.tracking.connection import MlflowTracking
from tip_assets.tracking.descriptions import NOTE
from tip_assets.tracking.registry import FINGERPRINT, LOCK, MONTH, RECIPE, YES
from tip_assets.tracking.trial_runs import KIND

TRAINED = "tips.trained"


def find_or_create_run(
    tracking: MlflowTracking, experiment: str, month: str, fingerprint: str, kind: str
) -> str:
    """Return the id of the month's run for these inputs; creates it if missing."""
    experiment_id = tracking.experiment_id(experiment)
    wanted = f"tags.`{FINGERPRINT}` = '{fingerprint}' and tags.`{KIND}` = '{kind}'"
    found = tracking.client.search_runs([experiment_id], f"{wanted} and tags.`{MONTH}` = '{month}'")
    if found:
        return str(found[0].info.run_id)
    made = tracking.client.create_run(
        experiment_id,
        run_name=month,
        tags={MONTH: month, FINGERPRINT: fingerprint, KIND: kind},
    )
    return str(made.info.run_id)


def month_run(tracking: MlflowTracking, month: str, fingerprint: str) -> str:
    """Return the id of the month's parent run for a recipe."""
    return find_or_create_run(tracking, TRAINING_EXPERIMENT, month, fingerprint, "month")


def top_run(tracking: MlflowTracking) -> str:
    """Describe the run with the lowest test RMSE of all months, and its data.

    Only reported, never used to choose a model: errors on different rows cannot be compared.
    """
    found = tracking.client.search_runs(
        [tracking.experiment_id(TRAINING_EXPERIMENT)],
        f"tags.`{KIND}` = 'month' and tags.`{TRAINED}` = '{YES}'",
        order_by=["metrics.test_rmse ASC"],
        max_results=1,
    )
    if not found:
        return "no finished run yet"
    run = found[0]
    metrics = run.data.metrics
    return (
        f"{run.data.tags[MONTH]}: test RMSE {metrics['test_rmse']:.3f} USD on "
        f"{metrics['test_rows']:.0f} rows of {run.data.params['months']} (run {run.info.run_id})"
    )


def is_trained(tracking: MlflowTracking, run_id: str) -> bool:
    """Return whether the month's run already has its final model."""
    return tracking.client.get_run(run_id).data.tags.get(TRAINED) == YES


def log_training(
    mlflow: Any, report: TrainingReport, ubj: bytes, plots: dict[str, bytes], with_model: bool
) -> None:
    """Log the final model, its errors, the baselines and plots to the open run.

    `mlflow` is dagster-mlflow's resource with the month's run active. Replaces what an earlier
    attempt logged, except a model that it logged completely.
    """
    mlflow.log_params(
        {
            **{name: f"{value:.10g}" for name, value in report.parameters.items()},
            "rounds": report.rounds,
            "months": ",".join(report.months),
            **{name: report.recipe[name] for name in ("target", "search_space", "seed", "trials")},
        }
    )
    metrics = {"lowest_cv_rmse": report.cross_validated_rmse, **flip_metrics(report.flip)}
    for part, numbers in (("train", report.train), ("test", report.test)):
        metrics |= {f"{part}_{name}": float(value) for name, value in numbers.items()}
    metrics |= {f"test_rmse_{rule}": value for rule, value in report.baselines.items()}
    mlflow.log_metrics(metrics)
    with tempfile.TemporaryDirectory() as folder:
        for name, png in plots.items():
            (Path(folder) / f"{name}.png").write_bytes(png)
        mlflow.log_artifacts(folder, "plots")
    mlflow.log_dict(report.recipe | {"lock": lock_version()}, "recipe.json")
    if with_model:
        log_model(mlflow, report, ubj)
    mlflow.set_tag(TRAINED, YES)


def log_model(mlflow: Any, report: TrainingReport, ubj: bytes) -> None:
    """Log the served model: booster and contract as files, code from `served_model.py`."""
    from importlib.metadata import version

    from tip_assets.modelling import served_model

    example = example_records()
    with tempfile.TemporaryDirectory() as folder:
        booster, document = Path(folder) / "booster.ubj", Path(folder) / "contract.json"
        booster.write_bytes(ubj)
        document.write_text(json.dumps(contract.document(), indent=2), "utf-8")
        mlflow.pyfunc.log_model(
            name="model",
            python_model=served_model.__file__,
            artifacts={"booster": str(booster), "contract": str(document)},
            signature=_signature(),
            input_example=example,
            # Otherwise MLflow infers them by loading the model in a fresh process: 10 s.
            pip_requirements=[
                f"{name}=={version(name)}" for name in ("mlflow", *LIBRARIES) if name != "hyperopt"
            ],
            tags={FINGERPRINT: report.fingerprint, MONTH: report.month},
        )


def has_logged_model(tracking: MlflowTracking, run_id: str, fingerprint: str) -> bool:
    """Return whether an earlier attempt logged the model; deletes an incomplete one."""
    found = _logged_models(tracking, run_id, fingerprint)
    for model in found:
        if str(model.status) != "READY":
            tracking.client.delete_logged_model(model.model_id)
    return any(str(model.status) == "READY" for model in found)


def logged_model(tracking: MlflowTracking, run_id: str, fingerprint: str) -> tuple[str, str]:
    """Return the source URI and the model id of the month's logged model.

    Raises LookupError when the run has none.
    """
    found = _logged_models(tracking, run_id, fingerprint)
    ready = [model for model in found if str(model.status) == "READY"]
    if not ready:
        raise LookupError(
            f"MLflow run {run_id} holds no model of recipe {fingerprint}: "
            "materialize trained_booster again"
        )
    return f"models:/{ready[0].model_id}", str(ready[0].model_id)


def log_drift(
    tracking: MlflowTracking,
    context: Any,
    month: str,
    fingerprint: str,
    metrics: dict[str, float],
    description: str,
) -> None:
    """Log a month's drift as a run of its own experiment, and archive the month's other runs.

    The record date is a tag and the drifted flag a metric: MLflow's step is not used.
    """
    from mlflow.entities import ViewType

    client = tracking.client
    run_id = find_or_create_run(tracking, DRIFT_EXPERIMENT, month, fingerprint, "drift")
    same_month = client.search_runs(
        [tracking.experiment_id(DRIFT_EXPERIMENT)],
        f"tags.`{MONTH}` = '{month}'",
        run_view_type=ViewType.ACTIVE_ONLY,
    )
    for run in same_month:
        if run.info.run_id != run_id:
            client.delete_run(run.info.run_id)
    if client.get_run(run_id).data.metrics.keys() >= metrics.keys():
        return
    tags = {"model": "evidently", "record_date": month, "mlflow.runName": month, NOTE: description}
    with tracking.run_within(context, DRIFT_EXPERIMENT, run_id, tags) as mlflow:
        mlflow.log_metrics(metrics)


def example_records() -> Any:
    """Return a valid record at each bound of the contract."""
    import pandas as pd

    records: dict[str, list[Any]] = {}
    for column in contract.FEATURES:
        if isinstance(column, contract.CategoryColumn):
            records[column.name] = [column.categories[0], column.categories[-1]]
        else:
            records[column.name] = [float(column.minimum), float(column.maximum)]
    return pd.DataFrame(records)


def version_tags(report: TrainingReport) -> dict[str, str]:
    """Return the tags that record everything a version's bytes depend on.

    The recipe has the data's fingerprint by month, the code, the seed and the threads.
    """
    recipe = report.to_recipe()
    return {
        MONTH: report.month,
        FINGERPRINT: report.fingerprint,
        contract.VERSION_TAG: recipe.contract,
        LOCK: lock_version(),
        RECIPE: recipe.to_json(),
    }


def _logged_models(tracking: MlflowTracking, run_id: str, fingerprint: str) -> list[Any]:
    experiment_id = tracking.experiment_id(TRAINING_EXPERIMENT)
    of_run = f"source_run_id = '{run_id}' and tags.`{FINGERPRINT}` = '{fingerprint}'"
    return list(tracking.client.search_logged_models([experiment_id], filter_string=of_run))


def _signature() -> Any:
    """Return the signature: the contract's columns in, dollars out, the contract as a parameter.

    Numbers may have any type: MLflow would refuse integers where it expects floats, and floats
    where it expects integers. The model itself refuses values that are not numbers, by row and
    column.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

    from tip_assets.modelling.served_model import CONTRACT_VERSION, WITH_NEVER_SEEN

    return ModelSignature(
        Schema(
            [
                ColSpec("string" if column.kind == "category" else AnyType(), column.name)
                for column in contract.FEATURES
            ]
        ),
        Schema([ColSpec("double")]),
        ParamSchema(
            [
                ParamSpec(CONTRACT_VERSION, "string", ""),
                ParamSpec(WITH_NEVER_SEEN, "boolean", False),
            ]
        ),
    )
