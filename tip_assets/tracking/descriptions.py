"""Descriptions on MLflow's pages: of experiments, and of a version and its month's run.

A version's description is its verdict, its decision and its data; its run has the same.
"""

from typing import TYPE_CHECKING, Any

from tip_assets.metric_store.store import Row
from tip_assets.settings import DRIFT_EXPERIMENT, REGISTERED_MODEL, TRAINING_EXPERIMENT
from tip_assets.tracking.registry import ModelRegistry, ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient

# The tag whose Markdown MLflow shows as the description of an experiment or a run.
NOTE = "mlflow.note.content"
EXPERIMENTS = {
    TRAINING_EXPERIMENT: "One run a month, with the final model, its data and the decision; nested "
    "under it the trials of its search. To compare trials, select a month's and open the charts: "
    "`rmse` is the cross-validated error in USD, too low for the best of many trials. The error to "
    "expect is the month's `test_rmse`.",
    DRIFT_EXPERIMENT: "One run a month: the drift of its rows from the training data of the model "
    "that served, and that model's errors. Control charts decide (`chart.*.z`); other scores are "
    "only reported.",
}
_DECISION = "**Decision**: "


def describe_version(
    registry: ModelRegistry, version: ModelVersion, made: dict[str, Any], decision: Row | None
) -> None:
    """Describe a version and its run; `made` is the value of `registered_model`."""
    verdict, data = f"**Verdict**: {_verdict(made)}.", _data(made, version.recipe.months)
    _write(registry.client, version, "\n\n".join((verdict, _words(decision), data)))


def describe_decision(registry: ModelRegistry, number: int, decision: Row | None) -> None:
    """Replace the decision in the description of a version and its run."""
    version = registry.version(number)
    # Versions of earlier releases have no such paragraph.
    before = version.description.split("\n\n") if _DECISION in version.description else []
    parts = before or [_DECISION, version.description]
    new = [_words(decision) if part.startswith(_DECISION) else part for part in parts]
    _write(registry.client, version, "\n\n".join(filter(None, new)))


def _write(client: "MlflowClient", version: ModelVersion, text: str) -> None:
    if text == version.description:  # a rerun changes nothing
        return
    if version.run_id:
        client.set_tag(version.run_id, NOTE, text)
    client.update_model_version(REGISTERED_MODEL, str(version.number), text)


def _words(decision: Row | None) -> str:
    if decision is None:
        return f"{_DECISION}none yet: its run has not reached the promotion."
    return f"{_DECISION}{decision['action']}: {decision['reason']}."


def _verdict(made: dict[str, Any]) -> str:
    compared, incumbent = made["comparison"], made["incumbent"]
    if incumbent is None:
        return "no champion to compare with"
    champion = f"champion version {incumbent['version']}"
    if compared is None:
        return f"not compared with {champion}, which was made for another contract"
    return (
        f"{compared['verdict']} against {champion} on {compared['rows']:,} held-out rows: RMSE "
        f"{compared['rmse']:.3f} and {compared['rival_rmse']:.3f} USD, difference "
        f"{compared['low']:+.3f} to {compared['high']:+.3f}"
    )


def _data(made: dict[str, Any], months: list[str]) -> str:
    train, test = made["train"], made["test"]
    text = (
        f"**Data**: trained for {made['month']} on {int(train['rows']):,} rows of "
        f"{', '.join(months)}; test RMSE {test['rmse']:.3f} USD on {int(test['rows']):,} rows."
    )
    if made["feedback"]:
        text += f" {made['feedback']}."
    return f"{text} Flip test: {made['flip']}."
